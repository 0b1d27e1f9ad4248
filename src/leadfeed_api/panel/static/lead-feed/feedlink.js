// The rep's own feed address: how the feed follows them into a feed reader.

import { Refusal } from "./client.js";
import { h, icon, iconButton } from "./dom.js";
import { busy, complaint, openSheet, tell } from "./sheet.js";

const COPIED_MS = 2_000;

/** Opens the sheet with the feed's addresses, or with what to tell the administrator while feeds are off. */
export function openFeedLink(panel) {
  const { words, feed } = panel;
  const told = h("p", { class: "quiet", role: "status" }); // in the sheet: what is behind it nobody hears
  openSheet(panel, words("rss.title"), async (body, sheet) => {
    body.append(h("p", { class: "quiet", "aria-busy": "true" }, words("loading")));
    try {
      show(await feed.client.get("/v1/feed-link"));
    } catch (error) {
      if (!sheet.open()) return;
      const off = error instanceof Refusal && error.code === "rss-disabled";
      body.replaceChildren(...(off ? switchedOff() : [h("p", { class: "problem", role: "alert" }, complaint(panel, error))]));
    }

    function show(link) {
      const problem = h("p", { class: "problem", role: "alert" });
      // What is pressed is made anew with the rest, and keeps the focus.
      const change = (pressed, method, path, sent) =>
        busy(panel, body, problem, async () => {
          show(await feed.client.send(method, path, sent));
          body.querySelector(pressed).focus();
        });
      const include = async () => {
        await change("[type=checkbox]", "PATCH", "/v1/feed-link", { contact_details: details.checked });
        details.checked = link.contact_details; // which still stands here where that was refused
      };
      const details = h("input", { type: "checkbox", checked: link.contact_details, onchange: include });
      const rotate = async () => {
        await change(".danger", "POST", "/v1/feed-link/rotate");
        if (!problem.textContent) tell(told, words("rss.rotated"));
      };
      body.replaceChildren(
        h("p", null, words("rss.hint")),
        ...["rss", "atom", "json"].map((format) => address(format, link[format])),
        h("label", { class: "choice" }, details, h("span", null, words("rss.contacts"), h("small", null, words("rss.contacts.hint")))),
        h("p", { class: "quiet" }, words("rss.secret")),
        problem,
        told,
        h("div", { class: "actions" }, confirmed(words("rss.rotate"), words("rss.rotate.sure"), rotate)),
      );
    }

    function switchedOff() {
      const text = words("rss.off.letter");
      return [
        h("p", null, words("rss.off")),
        h("p", { class: "letter" }, text),
        told,
        h("div", { class: "actions" }, copyButton(text, words("rss.off.copy"))),
      ];
    }
  });

  function address(format, url) {
    const field = h("input", { type: "text", readonly: true, value: url, dir: "ltr", "aria-label": words(`rss.${format}`), onfocus: () => field.select() });
    return h("div", { class: "address" }, h("span", null, words(`rss.${format}`)), field, iconButton("copy", words("copy"), { onclick: (event) => copy(url, event.currentTarget) }));
  }

  function copyButton(text, label) {
    return h("button", { type: "button", class: "plain", onclick: (event) => copy(text, event.currentTarget) }, icon("copy"), label);
  }

  /** Copies; the button's icon turns into a tick for a moment. */
  async function copy(text, button) {
    try {
      await navigator.clipboard.writeText(text);
      button.firstElementChild.replaceWith(icon("check"));
      setTimeout(() => button.firstElementChild.replaceWith(icon("copy")), COPIED_MS);
      tell(told, words("copied"));
    } catch {
      tell(told, words("copy.failed"));
    }
  }

  /** A button that asks once more before it acts. */
  function confirmed(label, sure, act) {
    const button = h("button", { type: "button", class: "plain danger" }, label);
    button.addEventListener("click", () => {
      if (button.dataset.sure) return act();
      button.dataset.sure = "yes";
      button.textContent = sure;
      tell(told, sure);
      return undefined;
    });
    return button;
  }
}
