// The page around the panel. Credentials come in the fragment, which no server and no log ever sees:
// #token=… shows the feed; with &ingest=… (an API key that may report moments) and &lead=… one can make something happen.
// #bare=1 is the panel alone, for pages that frame it, and &lead-id=… or &account-id=… beside that record: see
// docs/embedding.md. Who brings no token came by a link of a mail or a feed, and is shown no record of somebody's CRM
// either.

const given = new URLSearchParams(location.hash.slice(1));
const root = document.documentElement;
const find = (id) => document.getElementById(id);
const framed = window.parent !== window;

const panel = document.createElement("lead-feed");
panel.setAttribute("fragment", "view");
const languages = [...find("language").options].map((option) => option.value);
panel.setAttribute("lang", given.get("lang") ?? languages.find((one) => navigator.language.startsWith(one)) ?? "en");
for (const name of ["token", "lead-id", "account-id"]) if (given.get(name)) panel.setAttribute(name, given.get(name));
// Until it is known that this is the demo, nothing of its CRM is shown: whoever waits for their own feed would see it.
root.toggleAttribute("data-bare", given.has("bare") || !given.get("token"));
if (!root.hasAttribute("data-bare")) document.title = "Initech · CRM";
if (!framed) panel.setAttribute("title-count", "");
document.querySelector("aside").append(panel);

panel.addEventListener("leadfeed:open", ({ detail: { lead, account, item } }) => {
  tell({ type: "leadfeed:open", lead: { id: lead.id, name: lead.name } });
  find("record-name").textContent = lead.name;
  find("record-about").textContent = [lead.title, account?.name, item.description].filter(Boolean).join(" · ");
  document.querySelector(".avatar").textContent = lead.name.split(/\s+/).map((word) => [...word][0]).slice(0, 2).join("");
});
panel.addEventListener("leadfeed:token", () => tell({ type: "leadfeed:token" }));

addEventListener("message", ({ source, data }) => {
  if (framed && source === window.parent && data?.type === "leadfeed:token") panel.token = String(data.token);
});

/** Tells the page around the frame. To any origin: who may frame this page is decided by its policy. */
function tell(message) {
  if (framed) window.parent.postMessage(message, "*");
}

find("language").value = panel.lang;
find("language").addEventListener("change", (event) => panel.setAttribute("lang", event.target.value));

if (given.get("theme")) show(given.get("theme"));
find("theme").addEventListener("click", () => show(dark() ? "light" : "dark"));
find("theme").setAttribute("aria-pressed", String(dark()));

function dark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function show(theme) {
  root.dataset.theme = theme;
  find("theme").setAttribute("aria-pressed", String(dark()));
}

const HAPPENINGS = [
  ["web", "Visited the pricing page 3 times"],
  ["web", "Compared the Team and Business plans"],
  ["email", "Replied to “Pricing for 40 seats”"],
  ["email", "Clicked “See the case study”"],
  ["milestone", "Asked for a demo of the enterprise plan"],
  ["milestone", "Registered for the webinar “Month-end in a day”"],
];

find("happen").hidden = !(given.get("ingest") && given.get("lead"));
find("happen").addEventListener("click", async (event) => {
  const [type, description] = HAPPENINGS[Math.floor(Math.random() * HAPPENINGS.length)];
  const moment = { source: "panel page", external_id: crypto.randomUUID?.() ?? String(Math.random()), lead_id: given.get("lead"), type, description };
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${given.get("ingest")}` };
  event.target.disabled = true;
  await fetch("v1/moments", { method: "POST", headers, body: JSON.stringify({ moments: [moment] }) }).catch(() => null);
  event.target.disabled = false;
});
