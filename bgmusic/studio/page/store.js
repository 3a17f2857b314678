// What the page knows: the project as the server shows it, and what only this tab knows (selection, zoom, mutes).

import { get, post } from "./api.js";
import { fit } from "./layout.js";

export const store = {
  view: null, // the project, see view.py
  preview: null, // notes of a composition under way
  job: null, // { number, kept, done }
  selection: null, // [first beat, beat after the last], or null
  track: 0, // the active track
  chosen: new Set(), // selected notes, by key
  cursor: { step: 0, pitch: 60 },
  barWidth: 168,
  muted: new Set(),
  solo: new Set(),
  playing: false,
  step: 0, // where the playhead is, in steps
  loop: false,
  record: false, // whether notes are played in
  auto: false,
  seed: null, // of the next composition; null: the next number
  zoomed: false, // whether the user chose the width of bars
  anew: true, // whether the server may have begun anew, with revisions from 0
};

const listeners = new Set();
export function onChange(listener) {
  listeners.add(listener);
}
export function changed(what = "all") {
  for (const listener of listeners) listener(what);
}

export function say(text, isError = false) {
  const status = document.getElementById("status");
  status.textContent = text;
  status.classList.toggle("error", isError);
}

export const keyOf = (note) => `${note[0]}/${note[1]}/${note[3]}`;
export const rowOf = (key) => key.split("/").map(Number);
export const notes = () => store.preview ?? store.view.notes;
export const steps = () => store.view.bars * store.view.steps;
export const heard = (track) =>
  store.solo.size ? store.solo.has(track) : !store.muted.has(track);

export function take(view) {
  // An answer that was overtaken by a later one shows what is no longer so.
  if (!store.anew && view.revision < store.view.revision) return;
  store.anew = false;
  store.view = view;
  fit();
  const known = new Set(view.notes.map(keyOf));
  for (const key of store.chosen) if (!known.has(key)) store.chosen.delete(key);
  if (store.track >= view.tracks.length) store.track = 0;
  if (store.selection && store.selection[1] > view.bars * view.beats) store.selection = null;
  store.step = Math.min(store.step, steps());
  // A page that comes later learns of a composition under way; what it keeps is not known.
  const running = view.composing[0];
  if (running && !store.job) store.job = { number: running.job, kept: null, done: running.done };
  else if (!running && store.job) store.job = store.preview = null;
  changed();
}

async function attempt(work) {
  try {
    const view = await work();
    if (view?.notes) take(view);
    return view;
  } catch (error) {
    say(error.message, true);
    return null;
  }
}

// Do what the user asks for; when it is done, what was said before is no longer so.
async function act(work) {
  const done = await attempt(work);
  if (done) say("");
  return done;
}

export const refresh = () => attempt(() => get("state"));
export const undo = () => act(() => post("undo"));
export const redo = () => act(() => post("redo"));
export const request = (path, body) => act(() => post(path, body));

// Begin anew or open a file: what was selected in the old project is forgotten.
export async function replaceProject(path, body) {
  const done = await request(path, body);
  if (!done) return done;
  Object.assign(store, { selection: null, onlyTrack: false, step: 0, zoomed: false, track: Math.max(0, done.tracks.findIndex((one) => !one.drum)) });
  store.chosen.clear();
  store.muted.clear();
  store.solo.clear();
  fit();
  changed();
  changed("project");
  changed("step");
  return done;
}

export const edit = (...edits) => request("edit", { edits });

// Edit, and compose the area that the decision is about if the page composes by itself.
export async function decide(edits, area) {
  const done = await edit(...edits);
  if (done && store.auto) await compose(area);
  return done;
}

export function area() {
  const found = {};
  if (store.selection) found.beats = store.selection;
  if (store.onlyTrack) found.tracks = [store.track];
  return found;
}

export async function compose(where = area(), seed = store.seed) {
  store.seed = null; // it was that of this composition alone
  changed("seed");
  return act(() => post("compose", seed === null ? where : { ...where, seed }));
}

export function hear(event, data) {
  if (event === "started") {
    store.job = { number: data.job, kept: data.kept, done: 0 };
    changed("job");
  } else if (event === "progress" && store.job?.number === data.job) {
    store.job.done = data.done;
    if (store.job.kept) store.preview = [...store.job.kept, ...data.notes.map((row) => [...row, 0])];
    changed("notes");
    changed("job");
  } else if (event === "done") {
    if (store.job?.number === data.job) store.job = store.preview = null;
    if (data.error) say(data.error, true);
    refresh().then(() => changed("composed"));
  } else if (event === "changed") {
    if (!store.view || data.revision > store.view.revision) refresh();
  } else if (event === "connected") {
    store.anew = true;
    refresh();
  } else if (event === "lost") {
    say(data.error, true);
  }
}
