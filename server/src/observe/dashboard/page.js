"use strict";
const at = (id) => document.getElementById(id);
let token = "";
let wait = 1000;

// The hash names a call: only its happenings are shown.
function filter() {
  const call = location.hash.slice(1);
  const rows = [...document.querySelectorAll("#events tbody tr")];
  const isCall = /^[0-9a-f]{32}$/.test(call);
  for (const row of rows) row.classList.toggle("other", isCall && row.dataset.call !== call);
  at("filter").hidden = !isCall;
}

// Puts new parts in their places. Whoever is on a link with the keyboard stays on it.
function show(parts) {
  const held = document.activeElement && document.activeElement.id;
  for (const [id, html] of Object.entries(parts)) {
    const place = at(id);
    if (place) place.innerHTML = html;
  }
  const again = held && at(held);
  if (again && again !== document.activeElement) again.focus({ preventScroll: true });
  filter();
}

function say(word, look) {
  const feed = at("feed");
  if (feed.textContent !== word) feed.textContent = word;
  feed.className = "feed " + look;
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss://" : "ws://";
  const socket = new WebSocket(scheme + location.host + "/ws/monitoring?view=page");
  let refused = "";
  socket.onopen = () => {
    const hello = { op: "hello" };
    if (token) hello.jwt = token;
    socket.send(JSON.stringify(hello));
  };
  socket.onmessage = (message) => {
    const frame = JSON.parse(message.data);
    if (frame.op === "hello_ack" && !frame.ok) refused = frame.error || "refused";
    if (frame.op !== "page") return;
    wait = 1000;
    document.body.dataset.state = "open";
    show(frame.parts);
    say("live", "live");
  };
  socket.onclose = (end) => {
    if (refused || end.code === 4003) {
      // A token that is missing, refused or expired: ask again.
      document.body.dataset.state = "locked";
      at("refused").textContent = token ? "This token was not accepted: " + (refused || "expired") : "";
      token = "";
      at("token").focus();
      return;
    }
    say("not connected, trying again", "lost");
    setTimeout(connect, wait);
    wait = Math.min(wait * 2, 15000);
  };
}

at("entry").addEventListener("submit", (event) => {
  event.preventDefault();
  token = at("token").value.trim();
  at("token").value = "";
  at("refused").textContent = "";
  connect();
});
addEventListener("hashchange", filter);
filter();
if (document.body.dataset.state === "open") connect();
else at("token").focus();
