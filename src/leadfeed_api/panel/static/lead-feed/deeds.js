// What a rep does with moments: read, watch, mute, and take it back. Shown at once, then told to the service; what the
// service refuses is taken back and said.

import { complaint } from "./sheet.js";
import { said } from "./toast.js";

const AT_ONCE = 1_000; // ids in one mark
const undoable = new WeakMap(); // feed -> ways back, the last one last
const marking = new WeakMap(); // feed -> the marks under way, one after the other: the last one said is the last one heard

/** Marks items read or unread, as far as they are not. */
export function mark(panel, ids, read) {
  const changed = ids.filter((id) => (panel.feed.items.get(id)?.read ?? read) !== read);
  if (!changed.length) return undefined;
  return attempt(panel, () => put(panel, changed, read, read ? "done.read" : "done.unread", () => takeBack(panel, changed, read)));
}

/** Undoes a mark, whether the list still shows what was marked or not: so what is unread is counted anew. */
function takeBack(panel, ids, read) {
  return attempt(panel, async () => {
    await put(panel, ids, !read, "done.undone", null);
    await panel.feed.count();
  });
}

/** Puts a mark on exactly these. One that is refused was never there, and there is nothing to undo. */
async function put(panel, ids, read, done, back) {
  const { feed } = panel;
  feed.spread({ kind: "marked", data: { ids, read } });
  did(panel, done, { n: ids.length }, back);
  const sent = Promise.resolve(marking.get(feed)).then(() => send(feed, ids, read));
  marking.set(feed, sent.catch(() => {}));
  try {
    await sent;
  } catch (error) {
    feed.spread({ kind: "marked", data: { ids, read: !read } });
    undoable.set(feed, undoable.get(feed)?.filter((one) => one !== back));
    throw error;
  }
}

async function send(feed, ids, read) {
  for (let from = 0; from < ids.length; from += AT_ONCE) {
    await feed.client.send("POST", read ? "/v1/feed/read" : "/v1/feed/unread", { ids: ids.slice(from, from + AT_ONCE) });
  }
}

/** Marks read what is on the screen from the top down to a row, and what is newer but folded away; not what waits above. */
export function markDownTo(panel, id) {
  const rows = panel.list.articles.map(({ dataset }) => dataset.id);
  const above = new Set(rows.slice(0, rows.indexOf(id) + 1));
  const onScreen = new Set(rows);
  const shown = panel.feed.items.shown().map((item) => item.id);
  const newer = shown.slice(0, shown.indexOf(id) + 1).filter((one) => !onScreen.has(one));
  return mark(panel, [...above, ...newer], true);
}

/** Marks read everything that the filters show, loaded or not. */
export function markAll(panel) {
  const { feed } = panel;
  return attempt(panel, async () => {
    const { ids, changed } = await feed.client.send("POST", "/v1/feed/read", { up_to: feed.stream.position }, feed.query());
    const loaded = feed.items.list.filter((item) => !item.read).map((item) => item.id);
    feed.spread({ kind: "marked", data: { ids: ids ?? loaded, read: true } });
    if (!ids) undoable.delete(feed); // too many to be undone; nor is, in their place, what was done before
    if (changed) did(panel, "done.read", { n: changed }, ids?.length && (() => takeBack(panel, ids, true)));
    else said(panel, "unread", { n: 0 });
    await feed.count();
  });
}

/** Watches a lead, or stops. */
export function watch(panel, lead, on, back = true) {
  return attempt(panel, async () => {
    await panel.feed.client.send(on ? "PUT" : "DELETE", `/v1/watchlist/${encodeURIComponent(lead.id)}`);
    panel.feed.recheck(lead.id);
    did(panel, on ? "done.watched" : "done.unwatched", { name: lead.name }, back && (() => watch(panel, lead, !on, false)));
  });
}

/** Mutes a lead (`{lead}`) or a type (`{type}`) until an instant (null: no end). */
export function mute(panel, what, until) {
  return attempt(panel, () => muted(panel, what, until));
}

/** As `mute`; what goes wrong is the caller's to say. */
export async function muted(panel, { lead, type }, until) {
  await panel.feed.client.send("PUT", muteAddress({ lead, type }), { until });
  did(panel, lead ? "done.muted" : "done.mutedType", { name: lead?.name, type }, () => attempt(panel, () => unmuted(panel, { lead, type })));
  panel.feed.spread({ kind: "reset" });
}

/** Hears a lead or a type again; what goes wrong is the caller's to say. */
export async function unmuted(panel, { lead, type }) {
  await panel.feed.client.send("DELETE", muteAddress({ lead, type }));
  did(panel, lead ? "done.unmuted" : "done.unmutedType", { name: lead?.name, type }, null);
  panel.feed.spread({ kind: "reset" });
}

/** Takes back the last thing done here. */
export function undo(panel) {
  const back = undoable.get(panel.feed)?.pop();
  if (back) back();
  else said(panel, "undo.nothing", {});
}

function did(panel, key, values, back) {
  panel.feed.expect();
  if (back) undoable.set(panel.feed, [...(undoable.get(panel.feed) ?? []), back]);
  said(panel, key, values, back && (() => undo(panel)));
}

async function attempt(panel, action) {
  panel.feed.expect();
  try {
    await action();
  } catch (error) {
    complain(panel, error);
  }
}

function complain(panel, error) {
  said(panel, "failed.refused", { detail: complaint(panel, error) });
}

function muteAddress({ lead, type }) {
  return lead ? `/v1/mutes/leads/${encodeURIComponent(lead.id)}` : `/v1/mutes/types/${type}`;
}
