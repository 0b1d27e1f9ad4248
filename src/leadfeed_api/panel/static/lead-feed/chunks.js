// Rows in the document, by the chunk. The browser skips the layout and paint of chunks that are off the screen; a check
// per row instead of per chunk would cost it more than the rows at ten thousand of them. Headings stand between chunks:
// in one, they would keep its place open for every row that comes on top.

import { h } from "./dom.js";

const CHUNK = 40;
const ROW_PX = 69; // what a row is thought to be until it was seen

export class Chunks {
  #order = [];

  /** `parent` is the element that holds the chunks. */
  constructor(parent) {
    this.parent = parent;
  }

  /** Makes the document hold exactly these elements. What stays is never moved, so it keeps the focus and its place. */
  arrange(wanted) {
    const kept = new Set(wanted);
    const stays = [];
    for (const element of this.#order) {
      if (kept.has(element)) stays.push(element);
      else this.#remove(element);
    }
    const touched = new Set();
    let next = 0;
    for (const element of wanted) {
      if (element === stays[next]) next += 1;
      else touched.add(this.#insert(element, stays[next]));
    }
    touched.delete(this.parent);
    for (const { style, childElementCount } of touched) style.setProperty("contain-intrinsic-block-size", `auto ${childElementCount * ROW_PX}px`);
    this.#order = wanted;
  }

  #remove(element) {
    const chunk = element.parentElement;
    element.remove();
    if (chunk !== this.parent && !chunk.childElementCount) chunk.remove();
  }

  /** Inserts before an element, or at the end; at a seam into whichever chunk has room, else into a new one. */
  #insert(element, before) {
    const heading = !element.matches("article");
    const chunk = before?.closest(".chunk");
    const first = chunk?.firstElementChild === before;
    if (chunk && (heading ? !first : !first || chunk.childElementCount < CHUNK)) {
      before.before(element);
      return chunk;
    }
    const below = chunk ?? before ?? null;
    if (heading) {
      this.parent.insertBefore(element, below);
      return this.parent;
    }
    let above = below ? below.previousElementSibling : this.parent.lastElementChild;
    if (!above?.matches(".chunk") || above.childElementCount >= CHUNK) {
      above = h("div", { class: "chunk", role: "presentation" });
      this.parent.insertBefore(above, below);
    }
    above.append(element);
    return above;
  }
}
