// The menu behind the dots: everything at once, and the lists of one's own things.

import { openMutes, openSubscriptions, openWatchlist } from "./collections.js";
import { markAll } from "./deeds.js";
import { openHelp } from "./help.js";
import { openMenu } from "./sheet.js";

export function openMainMenu(panel) {
  const { words, feed, attention } = panel;
  openMenu(panel, panel.menuButton, [
    { icon: "check", label: words("menu.all"), run: () => markAll(panel) },
    null,
    feed.subscribable && { icon: "bell", label: words("subscriptions.title"), run: () => openSubscriptions(panel) },
    { icon: "eye", label: words("watchlist.title"), run: () => openWatchlist(panel) },
    { icon: "mute", label: words("mutes.title"), run: () => openMutes(panel) },
    null,
    attention.possible && { icon: "unread", label: words("menu.notify"), checked: attention.notifies, run: () => attention.toggle() },
    { icon: "keyboard", label: words("help.title"), key: "?", run: () => openHelp(panel) },
  ].filter((entry) => entry !== false));
}
