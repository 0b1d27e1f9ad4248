// What a rep does, and what opens for it: marks, menus, forms, lists of one's own things, help. A module of its own,
// fetched when the panel has nothing better to do, or when first needed; the panel shows and follows the feed without it.

import { ACTION_CSS } from "./actionstyle.js";
import { ACTION_WORDS } from "./actionwords.js";
import { Attention } from "./attention.js";
import { openMutes, openSubscriptions, openWatchlist } from "./collections.js";
import { mark, markAll, markDownTo, mute, undo, watch } from "./deeds.js";
import { addIcons } from "./dom.js";
import { openFeedLink } from "./feedlink.js";
import { openHelp } from "./help.js";
import { openMainMenu } from "./mainmenu.js";
import { openMute, openRowMenu } from "./rowmenu.js";
import { styled } from "./style.js";
import { openSubscribe } from "./subscribe.js";
import { addWords } from "./words.js";

addIcons({
  link: "M9.4 2.8h3.8v3.8M13 3 7.4 8.6M11.4 9.6v2.6c0 .6-.4 1-1 1H3.8c-.6 0-1-.4-1-1V5.6c0-.6.4-1 1-1h2.6",
  keyboard: "M1.8 4.4h12.4v7.2H1.8ZM4.4 7h.01M6.8 7h.01M9.2 7h.01M11.6 7h.01M5.4 9.4h5.2",
  copy: "M5.6 5.6h7v7h-7ZM10.4 5.6V3.4h-7v7h2.2",
  pause: "M5.6 3.6v8.8M10.4 3.6v8.8",
  play: "M5.2 3.4v9.2L12.4 8Z",
  bin: "M3 4.6h10M6.4 4.6V3h3.2v1.6M4.4 4.6l.6 8.6h6l.6-8.6",
});
addWords(ACTION_WORDS);
const actionStyle = styled(ACTION_CSS);

export {
  Attention, actionStyle, mark, markAll, markDownTo, mute, openFeedLink, openHelp, openMainMenu, openMute, openMutes, openRowMenu,
  openSubscribe, openSubscriptions, openWatchlist, undo, watch,
};
