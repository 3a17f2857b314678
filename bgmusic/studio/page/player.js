// Play the project: a SoundFont synthesizer in an audio worklet, fed a fraction of a second ahead, so that edits are heard at once.

import { changed, heard, say, steps, store } from "./store.js";
import { WorkletSynthesizer } from "./vendor/spessasynth.js";

const AHEAD = 0.18; // seconds
const TICK = 40; // milliseconds
const VELOCITY = 92;

let context, synth, loading, timer;
export let analyser;
let began; // { time, step }: where and when the present round of playing began
let next; // the first step that is not scheduled
let programs = "";

let font; // fetched when the page is there, so that the first click sounds soon

export function fetchFont() {
  font ??= fetch("/soundfont.sf2").then((response) => {
    if (!response.ok) throw new Error("the SoundFont is missing");
    return response.arrayBuffer();
  });
  font.catch(() => (font = null));
  return font;
}

async function load() {
  context = new AudioContext();
  const [bytes] = await Promise.all([
    fetchFont(),
    context.audioWorklet.addModule("/page/vendor/spessasynth_processor.min.js"),
  ]);
  font = null; // the synthesizer takes the bytes
  synth = new WorkletSynthesizer(context);
  await synth.soundBankManager.addSoundBank(bytes, "main");
  await synth.isReady;
  analyser = context.createAnalyser();
  synth.connect(analyser);
  analyser.connect(context.destination);
}

// Load before the first play, so that a click sounds at once.
export function prepare() {
  loading ??= load().catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}

// Channels of tracks: drums on the tenth.
const channel = (number) => (store.view.tracks[number].drum ? 9 : number % 15 < 9 ? number % 15 : (number % 15) + 1);

function choosePrograms() {
  const wanted = JSON.stringify(store.view.tracks.map((track) => track.program));
  if (wanted === programs) return;
  programs = wanted;
  store.view.tracks.forEach((track, number) => track.drum || synth.programChange(channel(number), track.program));
}

let bpm; // the tempo of the present round of playing
const seconds = () => 60 / bpm / store.view.resolution; // of a step

function range() {
  const { selection, view } = store;
  return store.loop && selection ? selection.map((beat) => beat * view.unit) : [0, steps()];
}

export async function play() {
  if (store.playing) return;
  try {
    await prepare();
    await context.resume();
  } catch (error) {
    say(`no sound: ${error.message}`, true);
    return;
  }
  const [first, stop] = range();
  if (store.step >= stop - 0.01 || store.step < first) store.step = first;
  choosePrograms();
  begin(store.step);
  store.playing = true;
  timer = setInterval(tick, TICK);
  requestAnimationFrame(frame);
  changed("playing");
}

function begin(step) {
  bpm = store.view.bpm;
  began = { time: context.currentTime + 0.05, step };
  next = step;
}

export function pause() {
  if (!store.playing) return;
  store.playing = false;
  clearInterval(timer);
  synth.stopAll(true);
  changed("playing");
}

export function seek(step) {
  store.step = Math.max(0, Math.min(steps(), step));
  if (store.playing) {
    synth.stopAll(true);
    begin(store.step);
  }
  changed("step");
}

const now = () => began.step + Math.max(0, context.currentTime - began.time) / seconds();

function tick() {
  if (bpm !== store.view.bpm) {
    began = { step: now(), time: context.currentTime }; // a new tempo goes on from where the music is
    bpm = store.view.bpm;
  }
  choosePrograms();
  const [first, stop] = range();
  const until = now() + AHEAD / seconds();
  schedule(next, Math.min(until, stop));
  next = Math.max(next, Math.min(until, stop));
  if (now() >= stop) {
    if (store.loop) begin(first);
    else {
      pause();
      store.step = first;
      changed("step");
    }
  }
}

function schedule(from, to) {
  for (const [track, onset, duration, pitch] of store.view.notes) {
    if (onset < from || onset >= to || !heard(track)) continue;
    const at = began.time + (onset - began.step) * seconds();
    const end = at + (store.view.tracks[track].drum ? 0.1 : duration * seconds() - 0.01);
    synth.noteOn(channel(track), pitch, VELOCITY, { time: Math.max(at, context.currentTime) });
    synth.noteOff(channel(track), pitch, { time: Math.max(end, context.currentTime + 0.03) });
  }
}

function frame() {
  if (!store.playing) return;
  store.step = Math.min(now(), range()[1]);
  changed("step");
  requestAnimationFrame(frame);
}

// Begin or end one note at once, to hear what is played in.
export async function sound(track, pitch, on) {
  try {
    await prepare();
    await context.resume();
  } catch {
    return;
  }
  choosePrograms();
  if (on) synth.noteOn(channel(track), pitch, VELOCITY);
  else synth.noteOff(channel(track), pitch);
}

// One note at once, to hear what is drawn or chosen.
export function audition(track, pitch) {
  if (!synth || store.playing || !heard(track)) return;
  sound(track, pitch, true);
  setTimeout(() => sound(track, pitch, false), 300);
}
