// The page around the panel: takes the credentials from the fragment, which no server ever sees.

const given = new URLSearchParams(location.hash.slice(1));
const panel = document.createElement("lead-feed");
panel.setAttribute("token", given.get("token") ?? "");
document.querySelector("main").append(panel);
