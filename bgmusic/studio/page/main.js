// Start the page: the buttons of the header, and all parts.

import { download, file as made, get, listen } from "./api.js";
import { theme } from "./colours.js";
import { openByArrows, openCommand, openGiven } from "./dialogs.js";
import * as keys from "./keys.js";
import { fit, place } from "./layout.js";
import * as plan from "./plan.js";
import * as player from "./player.js";
import * as pointer from "./pointer.js";
import * as record from "./record.js";
import * as roll from "./roll.js";
import { changed, compose, decide, edit, hear, onChange, redo, replaceProject, request, say, store, take, undo } from "./store.js";

const at = (id) => document.getElementById(id);
const PREFERRED = "bgmusic-studio-theme";
const KEYS = matchMedia("(pointer: coarse)").matches ? "Tap a chord or a bar to flip it; hold a bar for more." : "Press ? for the keys.";

// Fields show the project, but for the one in which the user types; `entered` is one whose value was just sent.
function header(entered) {
  const { view } = store;
  const show = (id, value) => (id === entered || document.activeElement !== at(id)) && (at(id).value = value);
  at("undo").disabled = !view.undos;
  at("redo").disabled = !view.redos;
  show("bars", view.bars);
  show("key", view.key ?? "");
  show("tempo", Math.round(view.bpm * 100) / 100);
  show("title", view.title);
  const names = view.generators.map((name) => new Option(name, name));
  if (at("generator").options.length !== names.length) at("generator").replaceChildren(...names);
  at("generator").value = view.generator;
  const buttons = [...Array(view.takes).keys()].map((number) => {
    const button = document.createElement("button");
    button.textContent = number + 1;
    button.title = `Alternative ${number + 1} (key ${number + 1})`;
    button.setAttribute("aria-label", `Alternative ${number + 1}`);
    button.setAttribute("aria-pressed", String(number === view.shown));
    button.addEventListener("click", () => keys.show(number));
    return button;
  });
  at("takes").replaceChildren(...buttons);
  at("takegroup").hidden = view.takes < 2;
  at("empty").hidden = Boolean(view.notes.length || store.job || view.undos);
}

// The button says what it composes.
function composing() {
  const { view, selection, onlyTrack, track } = store;
  const bars = selection?.map((beat) => beat / view.beats);
  const where = bars ? (bars[1] - bars[0] > 1 ? ` bars ${bars[0] + 1}–${bars[1]}` : ` bar ${bars[0] + 1}`) : "";
  at("compose").textContent = `Compose${onlyTrack ? ` ${view.tracks[track].name}` : ""}${where}`;
}

function playing() {
  at("play").querySelector("use").setAttribute("href", store.playing ? "#i-pause" : "#i-play");
  at("play").setAttribute("aria-label", store.playing ? "Pause" : "Play");
  at("loop").setAttribute("aria-pressed", String(store.loop));
  at("record").setAttribute("aria-pressed", String(store.record));
}

function job() {
  const { job: one } = store;
  at("progress").hidden = at("cancel").hidden = !one;
  at("progress").value = one?.done ?? 0;
  if (one) at("empty").hidden = true;
}

function buttons() {
  at("play").addEventListener("click", () => (store.playing ? player.pause() : player.play()));
  at("loop").addEventListener("click", () => ((store.loop = !store.loop), changed("playing")));
  at("compose").addEventListener("click", () => compose());
  at("cancel").addEventListener("click", () => request("cancel"));
  at("lock").addEventListener("click", keys.lock);
  at("undo").addEventListener("click", undo);
  at("redo").addEventListener("click", redo);
  at("help").addEventListener("click", keys.showKeys);
  at("auto").addEventListener("change", () => (store.auto = at("auto").checked));
  at("bars").addEventListener("change", () => edit({ do: "bars", bars: Number(at("bars").value) }).then(() => header("bars")));
  at("tempo").addEventListener("change", () => edit({ do: "tempo", bpm: Number(at("tempo").value) }).then(() => header("tempo")));
  at("key").addEventListener("change", () => decide([{ do: "key", name: at("key").value.trim() || null }], {}).then(() => header("key")));
  at("ending").addEventListener("click", end);
  at("generator").addEventListener("change", () => leave() ? replaceProject("new", { generator: at("generator").value }) : header());
  at("chords").addEventListener("keydown", async (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const bar = store.selection ? Math.floor(store.selection[0] / store.view.beats) : 0;
    const chords = { do: "chords", line: at("chords").value, bar, loose: at("loose").checked };
    const beats = [bar, bar + chords.line.split("|").length].map((one) => one * store.view.beats);
    if (await decide([chords], { beats }) && !store.auto) say("The chords are decided: compose to hear them.");
  });
  openByArrows(at("export"));
  at("export").addEventListener("change", async () => {
    const kind = at("export").value;
    at("export").value = "";
    say("One moment …");
    await download(kind, store.view.stem).then(() => say(""), (error) => say(error.message, true));
  });
  at("title").addEventListener("change", () => edit({ do: "title", title: at("title").value }));
  at("seed").addEventListener("change", () => (store.seed = at("seed").value === "" ? null : Math.floor(Math.abs(Number(at("seed").value)))));
  at("engrave").addEventListener("click", engrave);
  at("page").querySelector("button").addEventListener("click", () => at("page").close());
  at("command").addEventListener("click", () => get("command").then(openCommand, (error) => say(error.message, true)));
  at("record").addEventListener("click", record.toggle);
  at("more").addEventListener("click", () => {
    const opened = document.querySelector("header").classList.toggle("opened");
    at("more").setAttribute("aria-expanded", String(opened));
  });
  at("begin").addEventListener("click", begin);
  at("theme").addEventListener("click", () => {
    const name = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem(PREFERRED, name);
    theme(name);
    changed();
  });
  at("open").addEventListener("click", () => at("file").click());
  at("file").addEventListener("change", () => ((at("file").files[0] && openFile(at("file").files[0])), (at("file").value = "")));
}

// Decide on the last two bars, and compose them if the page composes by itself.
async function end() {
  const { bars, beats } = store.view;
  const done = await decide([{ do: "ending" }], { beats: [(bars - 2) * beats, bars * beats] });
  if (done && !store.auto) say("The ending is decided: compose the last two bars to hear it.");
}

// The first click: compose, and play as soon as the music is there.
async function begin() {
  at("empty").hidden = true;
  const ready = player.prepare().catch((error) => say(`no sound: ${error.message}`, true));
  await compose({}, Math.floor(Math.random() * 2 ** 31));
  begin.waiting = ready;
}

function composed() {
  if (begin.waiting && store.view.notes.length) {
    begin.waiting = null;
    player.play();
  }
}

async function engrave() {
  say("Engraving …");
  try {
    const image = at("page").querySelector("img");
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(await made("svg"));
    at("page").showModal();
    say("");
  } catch (error) {
    say(error.message, true);
  }
}

// A new project replaces the present one, and its undo.
const leave = () => !store.view.undos || confirm("Leave this piece? What you did not save is lost.");

function openFile(file) {
  const most = /\.bgstudio$/i.test(file.name) ? 32 : 4; // megabytes, as the server's limits
  if (file.size > most << 20) return say(`${file.name} is too large: at most ${most} MB`, true);
  if (file.name.toLowerCase().endsWith(".bgstudio")) return leave() && replaceProject("open", file);
  return openGiven(file);
}

function dropping() {
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    const file = event.dataTransfer.files[0];
    if (file) openFile(file);
  });
}

function start() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  theme(localStorage.getItem(PREFERRED) ?? (dark.matches ? "dark" : "light"));
  dark.addEventListener("change", () => localStorage.getItem(PREFERRED) || (theme(dark.matches ? "dark" : "light"), changed()));
  addEventListener("resize", () => (fit(), changed("zoom")));
  onChange((what) => {
    if (what === "all") header();
    if (what === "all" || what === "selection") composing();
    if (what === "all" || what === "playing") playing();
    if (what === "job" || what === "all") job();
    if (what === "seed") at("seed").value = store.seed ?? "";
    if (what === "project") at("chords").value = "";
    if (what === "composed") composed();
    if (what === "step") {
      at("place").textContent = place(Math.floor(store.step));
      if (store.playing) roll.follow();
    }
  });
  roll.start();
  pointer.start();
  plan.start();
  keys.start();
  buttons();
  dropping();
  get("state").then((view) => {
    take(view);
    store.track = Math.max(0, view.tracks.findIndex((track) => !track.drum));
    changed();
    say(KEYS);
    listen(hear);
    player.fetchFont().catch(() => null);
  }, (error) => say(error.message, true));
}

start();
