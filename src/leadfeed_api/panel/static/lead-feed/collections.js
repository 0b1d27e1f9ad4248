// My subscriptions, my watch list, what I muted: lists of one's own things, to look through and to end.

import { muted, unmuted } from "./deeds.js";
import { h, icon, iconButton, select } from "./dom.js";
import { busy, openSheet, tell } from "./sheet.js";

const WATCHED_AT_ONCE = 100;
let things = 0;

/** A sheet with a list that is read page by page. `read(after)` gives `{items, next}`, `row(item)` its element. */
function openList(panel, { title, empty, glyph, read, row }) {
  const { words } = panel;
  openSheet(panel, title, async (body, sheet) => {
    const problem = h("p", { class: "problem", role: "alert" });
    const list = h("ul", { class: "things" });
    const more = h("button", { type: "button", class: "plain", onclick: () => load() }, words("more"));
    const waiting = h("p", { class: "quiet" }, words("loading"));
    const told = h("p", { class: "unseen", role: "status" }); // in the sheet: what is behind it nobody hears
    const nothing = h("div", { class: "state", hidden: true, tabindex: "-1" }, icon(glyph), h("p", null, empty));
    let after = null;
    body.append(waiting, list, nothing, told, more);
    sheet.dialog.append(problem); // at the edge of what is seen, however long the list
    await load();

    async function load() {
      await busy(panel, body, problem, async () => {
        const { items, next } = await read(after);
        if (!sheet.open()) return;
        const rows = items.map((item) => row(item, problem, gone));
        list.append(...rows);
        more.hidden = !next;
        nothing.hidden = list.childElementCount > 0;
        const lost = !panel.root.activeElement && (after ? more.hidden && rows[0]?.querySelector("button") : nothing);
        if (lost) lost.focus();
        after = next;
      });
      waiting.remove();
    }

    /** A line is ended: its neighbour has the focus, or what is there when none is left. */
    function gone(line, text) {
      const heir = line.nextElementSibling ?? line.previousElementSibling;
      line.remove();
      nothing.hidden = list.childElementCount > 0;
      (heir?.querySelector("button:last-of-type") ?? nothing).focus();
      tell(told, text);
    }
  });
}

/** A line, whose controls say which one they are of. */
function thing(name, about, ...controls) {
  const id = `thing-${++things}`;
  for (const control of controls) control.setAttribute("aria-describedby", id);
  return h("li", null, h("div", null, h("strong", { dir: "auto", id }, name), h("small", { dir: "auto" }, about)), controls);
}

/** A button that does something once and then stands for the opposite, so that a slip is mended where it happened. */
function toggle(panel, names, labels, actions, problem, on = true) {
  const button = iconButton(names[on ? 0 : 1], labels[on ? 0 : 1], { class: on ? "tool on" : "tool" });
  button.addEventListener("click", () =>
    busy(panel, button.closest("li"), problem, async () => {
      await actions[on ? 0 : 1]();
      on = !on;
      button.replaceChildren(icon(names[on ? 0 : 1]));
      for (const attribute of ["title", "aria-label"]) button.setAttribute(attribute, labels[on ? 0 : 1]);
      button.setAttribute("class", on ? "tool on" : "tool");
      button.closest("li").toggleAttribute("data-gone", !on);
    }),
  );
  return button;
}

export function openWatchlist(panel) {
  const { words, feed } = panel;
  openList(panel, {
    title: words("watchlist.title"),
    empty: words("watchlist.empty"),
    glyph: "eye",
    read: async (after) => {
      const { items, next_after: next } = await feed.client.get("/v1/watchlist", { limit: WATCHED_AT_ONCE, after });
      return { items, next };
    },
    row: ({ lead, account, owned }, problem) => {
      const address = `/v1/watchlist/${encodeURIComponent(lead.id)}`;
      const about = [lead.title, account?.name, owned && words("because.owned")].filter(Boolean).join(" · ");
      const act = (method) => () => {
        feed.expect();
        return feed.client.send(method, address);
      };
      return thing(lead.name, about, toggle(panel, ["eyed", "eye"], [words("undo.watch"), words("do.watch")], [act("DELETE"), act("PUT")], problem));
    },
  });
}

export function openMutes(panel) {
  const { words, feed, times } = panel;
  const ends = (until) => (until ? words("mute.until", { time: times.dated(Date.parse(until)) }) : words("mute.open"));
  openList(panel, {
    title: words("mutes.title"),
    empty: words("mutes.empty"),
    glyph: "mute",
    read: async () => {
      const { leads, types } = await feed.client.get("/v1/mutes");
      return { items: [...leads, ...types], next: null };
    },
    row: ({ lead, type, until }, problem) => {
      const what = { lead, type };
      const actions = [() => unmuted(panel, what), () => muted(panel, what, until)];
      return thing(lead?.name ?? words(`type.${type}`), ends(until), toggle(panel, ["mute", "bell"], [words("undo.mute"), words("do.mute")], actions, problem));
    },
  });
}

export function openSubscriptions(panel) {
  const { words, feed } = panel;
  const address = ({ id }) => `/v1/subscriptions/${encodeURIComponent(id)}`;
  openList(panel, {
    title: words("subscriptions.title"),
    empty: words("subscriptions.empty"),
    glyph: "bell",
    read: async () => {
      const answer = await feed.client.get("/v1/subscriptions");
      return { items: answer.items ?? answer, next: null };
    },
    row: (one, problem, gone) => {
      const change = async (fields) => Object.assign(one, await feed.client.send("PATCH", address(one), fields));
      const often = select("often", ["instant", "hourly", "daily"].map((each) => [each, words(`often.${each}`)]), one.frequency, {
        "aria-label": words("subscribe.often"),
        onchange: async () => {
          await busy(panel, line, problem, () => change({ frequency: often.value }));
          often.value = one.frequency;
        },
      });
      const paused = (yes) => async () => {
        await change({ paused: yes });
        feed.spread({ kind: "reset" });
      };
      const pause = toggle(panel, ["pause", "play"], [words("pause"), words("resume")], [paused(true), paused(false)], problem, !one.paused);
      const end = iconButton("bin", words("delete"), {
        onclick: () =>
          busy(panel, line, problem, async () => {
            await feed.client.send("DELETE", address(one));
            gone(line, words("done.unsubscribed"));
            feed.spread({ kind: "reset" });
          }),
      });
      const line = thing(described(panel, one), recipients(panel, one), often, pause, end);
      line.toggleAttribute("data-gone", one.paused);
      return line;
    },
  });
}

/** What a subscription is about, in words. */
function described({ words }, { match: { kind, value }, label }) {
  if (kind === "type") return words("subscribe.type", { type: words(`type.${value}`) });
  return words(kind === "description" ? "subscribed.description" : `subscribe.${kind}`, { name: label ?? value });
}

/** To whom it goes, and what keeps it from going there. */
function recipients({ words }, { deliveries = [], recipients: addresses = [] }) {
  const told = deliveries.map(({ address, status, reason }) => {
    const known = `mailed.${status}`;
    return [address, status !== "active" && (words.has(known) ? words(known) : (reason ?? status))].filter(Boolean).join(" · ");
  });
  return (told.length ? told : addresses).join(", ");
}
