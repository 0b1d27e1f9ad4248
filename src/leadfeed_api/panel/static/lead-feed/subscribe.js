// The form behind the bell: mail me moments like this one.

import { h, select } from "./dom.js";
import { busy, openSheet } from "./sheet.js";
import { said } from "./toast.js";

const FREQUENCIES = ["instant", "hourly", "daily"];

/** Opens the form for an item. */
export function openSubscribe(panel, item) {
  const { words, feed } = panel;
  openSheet(panel, words("subscribe.title"), (body, sheet) => {
    const wordsField = h("input", { type: "text", name: "words", maxlength: "200", "aria-label": words("subscribe.words"), placeholder: words("subscribe.words.hint"), dir: "auto" });
    const choices = [
      ["lead", item.lead.id, words("subscribe.lead", { name: item.lead.name })],
      item.account && ["account", item.account.id, words("subscribe.account", { name: item.account.name })],
      ["type", item.type, words("subscribe.type", { type: words(`type.${item.type}`) })],
      ["description", "", words("subscribe.description")],
    ].filter(Boolean);
    const radios = choices.map(([kind, value, label], place) => {
      const radio = h("input", { type: "radio", name: "kind", value: kind, checked: place === 0, autofocus: place === 0, "data-value": value });
      return h("label", { class: "choice" }, radio, h("span", { dir: "auto" }, label));
    });
    wordsField.addEventListener("input", () => (radios.at(-1).firstElementChild.checked = true));
    const watchedToo = h("input", { type: "checkbox" });
    const to = h("input", { type: "text", name: "to", autocomplete: "off", placeholder: words("subscribe.to.me"), inputmode: "email" });
    const often = select("often", FREQUENCIES.map((one) => [one, words(`often.${one}`)]));
    const problem = h("p", { class: "problem", role: "alert" });
    const form = h(
      "form",
      { novalidate: true },
      h("fieldset", null, h("legend", null, words("subscribe.about")), radios, wordsField, h("label", { class: "choice" }, watchedToo, h("span", null, words("subscribe.watched"), h("small", null, words("subscribe.watched.hint"))))),
      h("label", { class: "field" }, words("subscribe.to"), to, h("small", null, words("subscribe.to.hint"))),
      h("label", { class: "field" }, words("subscribe.often"), often),
      problem,
      h("div", { class: "actions" }, h("button", { type: "button", class: "plain", onclick: () => sheet.close() }, words("cancel")), h("button", { type: "submit", class: "primary" }, words("do.subscribe"))),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const chosen = form.querySelector("[name=kind]:checked");
      const value = chosen.value === "description" ? wordsField.value.trim() : chosen.dataset.value;
      if (chosen.value === "description" && !/[\p{L}\p{N}]/u.test(value)) {
        problem.textContent = words("subscribe.words.needed");
        return wordsField.focus();
      }
      const recipients = to.value.split(/[\s,;]+/).filter(Boolean);
      const none = recipients.find((one) => !/.@./.test(one));
      if (none) {
        problem.textContent = words("subscribe.to.none", { name: none });
        return to.focus();
      }
      const wanted = { match: { kind: chosen.value, value }, frequency: often.value, scope: watchedToo.checked ? "feed" : "owned", ...(recipients.length && { recipients }) };
      return busy(panel, form, problem, async () => {
        const { deliveries } = await feed.client.send("POST", "/v1/subscriptions", wanted);
        const waits = deliveries.some(({ status }) => status === "pending") && words("mailed.pending");
        sheet.close();
        said(panel, "done.subscribed", { often: [words(`often.${often.value}`), waits].filter(Boolean).join(" · ") });
        feed.expect();
        feed.spread({ kind: "reset" });
      });
    });
    body.append(form);
  });
}
