"use strict";
const byId = (id) => document.getElementById(id);
let models = [];
let running = null;  // aborts what is on its way

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function headers() {
  const key = byId("key").value;
  const all = {"Content-Type": "application/json"};
  if (key) all.Authorization = "Bearer " + key;
  return all;
}

function reasonOf(body, status) {
  const error = body && (body.error || body.detail || body.message);
  return (error && (error.message || error)) || "The server answered with status " + status;
}

async function askServer() {
  const server = byId("server");
  try {
    const response = await fetch("v1/models", {headers: headers()});
    byId("key-field").hidden = response.status !== 401 && !byId("key").value;
    if (response.status === 401) {
      server.textContent = "This server wants a key.";
      return;
    }
    models = (await response.json()).data;
    server.textContent = models.map((m) => m.id + (m.method ? " (" + m.method + ")" : "")).join(", ");
    for (const select of document.querySelectorAll("[data-name=model]"))
      select.replaceChildren(...models.map((m) => new Option(m.id, m.id)));
    document.querySelectorAll("fieldset").forEach(offerSettings);
  } catch (error) {
    server.textContent = "The server does not answer: " + error.message;
  }
}

// Settings that the side's model does not know are not offered. Of a model that is not loaded yet nothing is known.
function offerSettings(side) {
  const select = side.querySelector("[data-name=model]"), model = models.find((m) => m.id === select.value);
  for (const field of side.querySelectorAll("[data-methods]"))
    field.hidden = Boolean(model && model.method) && !field.dataset.methods.split(" ").includes(model.method);
}

function passagesOf(text) {
  const passages = [];
  for (const line of text.split(/\r?\n/)) {
    if (!line.trim()) continue;
    if (line.startsWith("{")) {
      try {
        const record = JSON.parse(line);
        if (typeof record.text === "string") {
          passages.push(record.text);
          continue;
        }
      } catch { /* a passage that begins with a brace */ }
    }
    passages.push(line);
  }
  return passages;
}

function settingsOf(side) {
  const settings = {};
  for (const input of document.querySelectorAll("[data-side=" + side + "] [data-name]")) {
    const value = input.type === "checkbox" ? input.checked : input.value.trim();
    const name = input.dataset.name;
    if (!value || input.closest("[hidden]")) continue;
    if (name === "max_length" || name === "compress_ratio") settings[name] = Number(value);
    else if (name === "cutoff_layers") settings[name] = value.split(/[\s,]+/).filter(Boolean).map(Number);
    else if (value === "left") settings.truncation_side = "left";
    else settings[name] = value;
  }
  return settings;
}

function describe(settings) {
  const rest = Object.entries(settings).filter(([name]) => name !== "model").map(([name, value]) => name + " " + value);
  return rest.length ? rest.join(", ") : "the server’s settings";
}

async function rank(query, documents, settings, signal, onThought) {
  const model = models.find((m) => m.id === settings.model);
  const stream = Boolean(model && model.method === "reasoning" && !settings.long_document_strategy);
  const response = await fetch("rerank", {
    method: "POST", headers: headers(), signal,
    body: JSON.stringify({query, documents, ...settings, stream, return_tokens: true, return_reasoning: true}),
  });
  if (!response.ok) {
    if (response.status === 401) byId("key-field").hidden = false;
    let body = null;
    try { body = await response.json(); } catch { /* the status has to do */ }
    throw new Error(reasonOf(body, response.status));
  }
  if (!stream) return response.json();
  let answer = null, rest = "";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const {value, done} = await reader.read();
    if (done) break;
    rest += value;
    let end;
    while ((end = rest.indexOf("\n\n")) >= 0) {
      const data = rest.slice(6, end);
      rest = rest.slice(end + 2);
      if (data === "[DONE]") continue;
      const event = JSON.parse(data);
      if (event.error) throw new Error(event.error.message || event.error);
      if (event.results) answer = event;
      else onThought(event);
    }
  }
  if (!answer) throw new Error("The stream ended before the ranking came");
  return answer;
}

function barOf(score, scores, kind) {
  const isShare = kind !== "raw" && kind !== "expectation";
  const lowest = isShare ? 0 : Math.min(...scores), highest = isShare ? 1 : Math.max(...scores);
  return highest > lowest ? (score - lowest) / (highest - lowest) : 1;
}

function changeOf(place, before) {
  if (before === undefined) return null;
  if (before === place) return make("span", "", "same place");
  const up = place < before;
  return make("span", up ? "up" : "down", (up ? "▲ up " : "▼ down ") + Math.abs(before - place) + " from " + before);
}

// The list, without its marks, is still read out as one.
function makeList() {
  const list = make("ol");
  list.setAttribute("role", "list");
  return list;
}

// What is read out when the rankings are there; the lists themselves would be too long.
function summaryOf(answers, places) {
  const [first, second] = answers, best = first.results[0];
  const count = first.results.length + (first.results.length === 1 ? " passage" : " passages");
  const text = "Ranked " + count + ". Best: passage " + (best.index + 1) + " with " + best.relevance_score.toPrecision(5) + ".";
  if (!second) return text;
  const moved = second.results.filter((result, i) => places[result.index] !== i + 1).length;
  return text + " Compared: " + (moved ? moved + " of " + count + " changed place." : "no passage changed place.");
}

function show(section, answer, documents, places) {
  const scores = answer.results.map((r) => r.relevance_score);
  const list = makeList();
  answer.results.forEach((result, i) => {
    const item = make("li"), row = make("div", "row");
    const track = make("div", "track"), fill = make("div", "fill");
    track.setAttribute("aria-hidden", "true");
    fill.style.width = (100 * barOf(result.relevance_score, scores, answer.score_kind)).toFixed(1) + "%";
    track.append(fill);
    row.append(make("span", "place", String(i + 1)), track, make("span", "score", result.relevance_score.toPrecision(5)));
    const facts = make("p", "facts", "passage " + (result.index + 1) + ", " + result.tokens + " tokens");
    if (result.cut_tokens) facts.append(", ", make("span", "cut", result.cut_tokens + " cut off"));
    if (result.finished === false) facts.append(", ", make("span", "cut", "verdict forced"));
    const change = places && changeOf(i + 1, places[result.index]);
    if (change) facts.append(", ", change);
    item.append(row, make("p", "text", documents[result.index]), facts);
    if (result.reasoning) {
      const details = make("details");
      details.append(make("summary", "", "Reasoning"), make("div", "thought", result.reasoning));
      item.append(details);
    }
    list.append(item);
  });
  const tokens = answer.usage.total_tokens;
  section.querySelector("p").textContent = section.dataset.settings + "; scores: " + answer.score_kind + "; " + tokens + " tokens";
  section.replaceChildren(section.querySelector("h2"), section.querySelector("p"), list);
}

function showThought(section, event, documents) {
  let list = section.querySelector("ol");
  if (!list) section.append(list = makeList());
  let item = list.querySelector("[data-index='" + event.index + "']");
  if (!item) {
    item = make("li");
    item.dataset.index = event.index;
    const details = make("details");
    details.open = true;
    details.append(make("summary", "", "Thinking"), make("div", "thought", ""));
    item.append(make("p", "text", documents[event.index]), details);
    list.append(item);
  }
  const thought = item.querySelector(".thought");
  if (event.reasoning_delta) thought.append(event.reasoning_delta);
  else item.querySelector("summary").textContent = "Done: " + Number(event.relevance_score).toPrecision(5);
  thought.scrollTop = thought.scrollHeight;
}

// A link may carry all of it: #query=...&passage=...&passage=...&b.max_length=16
function fillFromLink() {
  const link = new URLSearchParams(location.hash.slice(1));
  if (!link.has("query")) return;
  byId("query").value = link.get("query");
  if (link.has("passage")) byId("passages").value = link.getAll("passage").join("\n");
  for (const [name, value] of link) {
    const input = document.querySelector("[data-side=" + (name[0] === "b" ? "b" : "a") + "] [data-name='" + CSS.escape(name.slice(2)) + "']");
    if (name[1] !== "." || !input) continue;
    if (input.type === "checkbox") input.checked = value === "true";
    else input.value = value;
    offerSettings(input.closest("fieldset"));
    if (name[0] === "b" && !byId("compare").checked) byId("compare").click();
  }
  byId("form").requestSubmit();
}

async function submit(event) {
  event.preventDefault();
  const query = byId("query").value, documents = passagesOf(byId("passages").value);
  const sides = byId("compare").checked ? ["a", "b"] : ["a"];
  const message = byId("message"), ranking = byId("ranking");
  message.textContent = byId("summary").textContent = "";
  if (!documents.length) {
    message.textContent = "There are no passages to rank.";
    return;
  }
  if (running) running.abort();
  const mine = running = new AbortController();
  byId("stop").hidden = false;
  ranking.setAttribute("aria-busy", "true");
  const sections = sides.map((side) => {
    const settings = settingsOf(side), section = make("section", "result");
    section.dataset.settings = describe(settings);
    section.append(make("h2", "", settings.model || "Ranking"), make("p", "", "Ranking " + documents.length + " passages …"));
    return {settings, section};
  });
  ranking.replaceChildren(...sections.map((s) => s.section));
  try {
    const answers = await Promise.all(sections.map(({settings, section}) =>
      rank(query, documents, settings, mine.signal, (thought) => showThought(section, thought, documents))));
    let places = null;
    answers.forEach((answer, i) => {
      show(sections[i].section, answer, documents, places);
      if (i === 0) {
        places = {};
        answer.results.forEach((result, place) => { places[result.index] = place + 1; });
      }
    });
    byId("summary").textContent = summaryOf(answers, places);
  } catch (error) {
    if (mine === running) {
      message.textContent = error.name === "AbortError" ? "Stopped." : error.message;
      mine.abort();
      ranking.replaceChildren();
    }
  } finally {
    if (mine === running) {
      running = null;
      byId("stop").hidden = true;
      ranking.setAttribute("aria-busy", "false");
    }
  }
}

for (const side of document.querySelectorAll("fieldset")) {
  side.append(byId("settings").content.cloneNode(true));
  side.addEventListener("change", () => offerSettings(side));
}
byId("form").addEventListener("submit", submit);
byId("stop").addEventListener("click", () => running && running.abort());
byId("compare").addEventListener("change", (event) => { byId("side-b").hidden = !event.target.checked; });
byId("key").addEventListener("change", askServer);
byId("file").addEventListener("change", async (event) => {
  const file = event.target.files[0];
  if (file) byId("passages").value = passagesOf(await file.text()).map((p) => p.replace(/\s+/g, " ")).join("\n");
});
askServer().then(fillFromLink);
