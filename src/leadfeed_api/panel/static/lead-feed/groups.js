// Repeats: what one person did again within the hour, and the day, folds behind the newest of it.

import { dayOf, instantOf } from "./items.js";

const REPEATED_WITHIN_MS = 3_600_000;
const FEW = 2; // a row more is no trouble; a button that stands for one row is

/**
 * The items in the order of the screen, each with what it stands for: `{item, hidden, member, repeats}`. `hidden` are the
 * repeats folded behind an item, `member` says that it is an unfolded repeat, `repeats` are all of its group.
 * A group is unfolded when any of its ids is in `unfolded`.
 */
export function folded(items, unfolded) {
  const groups = grouped(items);
  return items.flatMap((item) => {
    const [head, ...repeats] = groups.get(item.id);
    if (repeats.length < FEW) return [{ item, hidden: [], member: false, repeats: [] }];
    if (item !== head) return [];
    if (![head, ...repeats].some(({ id }) => unfolded.has(id))) return [{ item, hidden: repeats, member: false, repeats }];
    const members = repeats.map((repeat) => ({ item: repeat, hidden: [], member: true, repeats: [] }));
    return [{ item, hidden: [], member: false, repeats }, ...members];
  });
}

/** The group of each item, by id: same person, same type, same day, within an hour of the newest of them. */
function grouped(items) {
  const growing = new Map(); // lead and type -> the group that still takes items
  const groups = new Map();
  let day = Infinity;
  for (const item of items) {
    if (instantOf(item) < day) {
      day = dayOf(item);
      growing.clear();
    }
    const key = `${item.type} ${item.lead.id}`;
    let group = growing.get(key);
    if (!group || item.type === "milestone" || instantOf(group[0]) - instantOf(item) > REPEATED_WITHIN_MS) {
      group = [];
      growing.set(key, group);
    }
    group.push(item);
    groups.set(item.id, group);
  }
  return groups;
}
