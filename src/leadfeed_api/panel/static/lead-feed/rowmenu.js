// What else can be done from a row: narrow the list to its person or company, mute, mark up to here.

import { markDownTo, mute } from "./deeds.js";
import { h, select } from "./dom.js";
import { openMenu, openSheet } from "./sheet.js";

const DAY = 86_400_000;
const SPANS = { day: 1, week: 7, month: 30, date: null, open: null };

/** Opens the menu of a row. */
export function openRowMenu(panel, row) {
  const { words, feed } = panel;
  const { lead, account, url, type } = row.item;
  openMenu(panel, row.tools.querySelector("[data-do=menu]"), [
    { icon: "check", label: words("menu.upto"), key: "E", run: () => markDownTo(panel, row.id) },
    null,
    !feed.record?.lead && { icon: "filter", label: words("menu.only", { name: lead.name }), run: () => panel.narrow({ ...feed.filters, lead: lead.id, leadName: lead.name }) },
    Boolean(account) && !feed.record && { icon: "filter", label: words("menu.only", { name: account.name }), run: () => panel.narrow({ ...feed.filters, account: account.id, accountName: account.name }) },
    null,
    { icon: "mute", label: words("menu.mute", { name: lead.name }), key: "m", run: () => openMute(panel, row.item) },
    { icon: "mute", label: words("menu.mute", { name: words(`type.${type}`) }), run: () => openMute(panel, row.item, "type") },
    safe(url) && { icon: "link", label: words("menu.page"), run: () => open(url, "_blank", "noopener,noreferrer") },
  ].filter((entry) => entry !== false));
}

/** Asks whom or what to mute, and for how long. */
export function openMute(panel, item, chosen = "lead") {
  const { words, feed } = panel;
  openSheet(panel, words("mute.title"), (body, sheet) => {
    const choice = (value, label) => h("label", { class: "choice" }, h("input", { type: "radio", name: "what", value, checked: value === chosen, autofocus: value === chosen }), h("span", { dir: "auto" }, label));
    const date = h("input", { type: "date", name: "date", hidden: true, min: dayAfter(feed.client.clock.now()), max: "9999-12-30", "aria-label": words("mute.date") });
    const span = select("span", Object.keys(SPANS).map((one) => [one, words(one === "open" ? "mute.open.long" : `mute.${one}`)]), "week", {
      onchange: () => {
        date.required = span.value === "date";
        date.hidden = !date.required;
        if (date.required) date.focus();
      },
    });
    const form = h(
      "form",
      null,
      h("fieldset", null, h("legend", null, words("mute.what")), choice("lead", words("subscribe.lead", { name: item.lead.name })), choice("type", words("mute.type", { type: words(`type.${item.type}`) }))),
      h("label", { class: "field" }, words("mute.long"), span),
      date,
      h("p", { class: "quiet" }, words("mute.hint")),
      h("div", { class: "actions" }, h("button", { type: "button", class: "plain", onclick: () => sheet.close() }, words("cancel")), h("button", { type: "submit", class: "primary" }, words("do.mute"))),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const what = form.querySelector("[name=what]:checked").value === "lead" ? { lead: item.lead } : { type: item.type };
      const days = SPANS[span.value];
      const end = date.required ? new Date(`${date.value}T00:00`) : days && new Date(feed.client.clock.now() + days * DAY);
      const until = end && end.toISOString();
      sheet.close();
      mute(panel, what, until);
    });
    body.append(form);
  });
}

/** The day after an instant's, where the reader is, as a date field writes it. */
function dayAfter(instant) {
  const day = new Date(instant);
  return new Date(Date.UTC(day.getFullYear(), day.getMonth(), day.getDate() + 1)).toISOString().slice(0, 10);
}

/** Only links that the service lets in are ever opened. */
function safe(url) {
  return /^https?:\/\//i.test(url ?? "");
}
