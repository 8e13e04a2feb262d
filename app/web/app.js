// The web page of Vision Week: exhibits, logging in, adding one with a picture, and the live conversation. Everything
// that differs between environments comes from /config.json; text from others only ever becomes text, never markup.

const byId = (id) => document.getElementById(id);

/** What a program says when it refuses (problem+json), for people to read. */
class Refused extends Error {
  constructor(status, problem) {
    const fields = (problem.errors ?? []).map((error) => `${error.field} ${error.message}`).join("; ");
    super([problem.detail ?? `The server answered ${status}.`, fields].filter(Boolean).join(" "));
    this.status = status;
  }
}

async function request(path, options = {}) {
  const response = await fetch(path, { headers: { Accept: "application/json" }, ...options });
  if (!response.ok) {
    throw new Refused(response.status, await response.json().catch(() => ({})));
  }
  return response.status === 204 ? null : response.json();
}

const send = (path, value) =>
  request(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });

/** A form that is busy while its work lasts, and shows under it what went wrong. */
function onSubmit(form, errorPlace, work) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    errorPlace.textContent = "";
    try {
      await work(new FormData(form));
    } catch (error) {
      errorPlace.textContent = error instanceof Refused ? error.message : "The server can't be reached.";
    } finally {
      button.disabled = false;
    }
  });
}

// --- exhibits ---

function card(exhibit) {
  const item = document.createElement("li");
  item.className = "card";
  const frame = document.createElement("div");
  frame.className = "frame";
  if (exhibit.picture) {
    const image = document.createElement("img");
    image.src = exhibit.picture;
    image.alt = `Picture of ${exhibit.title}`;
    image.loading = "lazy";
    frame.append(image);
  } else {
    const letter = document.createElement("span");
    letter.className = "letter";
    letter.setAttribute("aria-hidden", "true");
    letter.textContent = [...exhibit.title][0].toUpperCase();
    frame.append(letter);
  }
  const words = document.createElement("div");
  words.className = "words";
  const title = document.createElement("h3");
  title.textContent = exhibit.title;
  words.append(title);
  if (exhibit.description) {
    const description = document.createElement("p");
    description.textContent = exhibit.description;
    words.append(description);
  }
  const time = document.createElement("time");
  time.dateTime = exhibit.created_at;
  time.textContent = new Date(exhibit.created_at).toLocaleDateString(undefined, { dateStyle: "medium" });
  words.append(time);
  item.append(frame, words);
  return item;
}

let next = null;

async function showExhibits(api, { more = false } = {}) {
  const state = byId("exhibits-state");
  try {
    const page = await request(`${api}/exhibits?limit=24${more ? `&before=${next}` : ""}`);
    const cards = page.items.map(card);
    if (more) {
      byId("exhibit-list").append(...cards);
    } else {
      byId("exhibit-list").replaceChildren(...cards);
    }
    next = page.next;
    byId("more").hidden = next === null;
    state.textContent = byId("exhibit-list").children.length ? "" : "Nothing hangs here yet. Be the first.";
  } catch (error) {
    state.textContent = error instanceof Refused ? error.message : "The exhibits can't be loaded right now.";
  }
}

// --- who is here ---

function showPerson(user) {
  byId("person").hidden = byId("logout").hidden = byId("add").hidden = !user;
  byId("open-login").hidden = byId("add-hint").hidden = Boolean(user);
  byId("person").textContent = user ? user.name : "";
}

function setUpLogin(api) {
  const dialog = byId("login");
  byId("open-login").addEventListener("click", () => dialog.showModal());
  byId("close-login").addEventListener("click", () => dialog.close());
  onSubmit(byId("login-form"), byId("login-error"), async (form) => {
    const { user } = await send("/login", Object.fromEntries(form));
    byId("login-form").reset();
    dialog.close();
    showPerson(user);
  });
  byId("logout").addEventListener("click", async () => {
    await request("/logout", { method: "POST" });
    showPerson(null);
  });
  request(`${api}/session`).then(({ user }) => showPerson(user), () => showPerson(null));
}

function setUpAdding(api) {
  onSubmit(byId("add"), byId("add-error"), async (form) => {
    const exhibit = await send(`${api}/exhibits`, { title: form.get("title"), description: form.get("description") });
    if (form.get("file").size > 0) {
      const upload = new FormData();
      upload.set("file", form.get("file"));
      upload.set("exhibit", exhibit.id);
      await request(`${api}/uploads`, { method: "POST", body: upload });
    }
    byId("add").reset();
    await showExhibits(api);
  });
}

// --- live ---

function addMessage(who, text, kind = "") {
  const list = byId("messages");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const item = document.createElement("li");
  item.className = kind;
  if (who) {
    const name = document.createElement("b");
    name.textContent = who;
    item.append(name);
  }
  item.append(text);
  list.append(item);
  while (list.children.length > 200) {
    list.firstElementChild.remove();
  }
  if (atEnd) {
    list.scrollTop = list.scrollHeight;
  }
}

function connect(path, onExhibit) {
  const state = byId("live-state");
  const seen = new Set();
  let socket = null;
  let failures = 0;

  const heard = {
    history: ({ messages }) => messages.forEach(heardOne),
    message: (message) => heardOne(message),
    exhibit: ({ title }) => {
      addMessage("", `New: ${title}`, "event");
      onExhibit();
    },
    // A picture came to an exhibit.
    upload: () => onExhibit(),
    error: ({ detail }) => addMessage("", detail, "event"),
  };

  // After a reconnection the history repeats what was already shown.
  function heardOne({ id, from, text }) {
    if (!seen.has(id)) {
      seen.add(id);
      addMessage(from, text);
    }
  }

  function open() {
    socket = new WebSocket(new URL(path, location.href.replace(/^http/, "ws")));
    socket.addEventListener("open", () => {
      failures = 0;
      state.dataset.state = "on";
      state.textContent = "connected";
      socket.send(JSON.stringify({ type: "history" }));
    });
    socket.addEventListener("message", (event) => {
      const message = JSON.parse(event.data);
      heard[message.type]?.(message);
    });
    socket.addEventListener("close", () => {
      state.dataset.state = "off";
      state.textContent = "reconnecting …";
      // Longer each time, and never all visitors at once: a restart of the service is not a stampede.
      const seconds = Math.min(30, 0.5 * 2 ** failures++) * (0.5 + Math.random());
      setTimeout(open, seconds * 1000);
    });
  }
  open();

  byId("say").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = byId("say-text").value.trim();
    if (text && socket.readyState === WebSocket.OPEN) {
      socket.send(JSON.stringify({ type: "message", text }));
      byId("say-text").value = "";
    }
  });
}

const configuration = await request("/config.json").catch(() => ({ apiPath: "/api", websocketPath: "/ws", version: "" }));
byId("version").textContent = configuration.version;
byId("more").addEventListener("click", () => showExhibits(configuration.apiPath, { more: true }));
setUpLogin(configuration.apiPath);
setUpAdding(configuration.apiPath);
showExhibits(configuration.apiPath);
connect(configuration.websocketPath, () => showExhibits(configuration.apiPath));
