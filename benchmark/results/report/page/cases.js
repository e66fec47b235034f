/* Utterances to read and to listen to, built on demand. */
"use strict";

const jobs = JSON.parse(document.getElementById("cases").textContent);
const { kind: SOUND, clips } = JSON.parse(document.getElementById("sounds").textContent);
const SHOWN = 5;
const ROLES = ["source", "prompt", "reconstructed", "converted"];
const [FRAME, HOP, RATE, FLOOR] = [512, 128, 16000, -75]; // samples, samples, Hz, dB below the loudest

function element(tag, properties = {}, children = []) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function bytes(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

/* In-place FFT; real and imaginary parts, whose length is a power of two. */
function fft(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) [re[i], re[j], im[i], im[j]] = [re[j], re[i], im[j], im[i]];
  }
  for (let size = 2; size <= n; size <<= 1) {
    const angle = (-2 * Math.PI) / size;
    for (let k = 0; k < size / 2; k++) {
      const [c, s] = [Math.cos(angle * k), Math.sin(angle * k)];
      for (let i = k; i < n; i += size) {
        const j = i + size / 2;
        const [a, b] = [re[j] * c - im[j] * s, re[j] * s + im[j] * c];
        re[j] = re[i] - a; im[j] = im[i] - b; re[i] += a; im[i] += b;
      }
    }
  }
}

function colour(level) { // 0 to 1: dark violet over red to pale yellow
  return [Math.min(255, 20 + 330 * level), Math.max(0, 300 * level - 70), 60 + 110 * Math.sin(Math.PI * (0.15 + level))];
}

async function spectrogram(canvas, clip) {
  const audio = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(bytes(clip).buffer);
  const wav = audio.getChannelData(0);
  const columns = Math.max(1, Math.floor((wav.length - FRAME) / HOP) + 1);
  const powers = [];
  for (let column = 0; column < columns; column++) {
    const [re, im] = [new Float32Array(FRAME), new Float32Array(FRAME)];
    for (let i = 0; i < FRAME; i++) {
      re[i] = (wav[column * HOP + i] ?? 0) * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / FRAME));
    }
    fft(re, im);
    powers.push(re.subarray(0, FRAME / 2).map((x, i) => 10 * Math.log10(x * x + im[i] * im[i] + 1e-10)));
  }
  const loudest = powers.reduce((most, column) => Math.max(most, ...column), -100);
  [canvas.width, canvas.height] = [columns, FRAME / 2];
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, FRAME / 2);
  powers.forEach((column, x) => column.forEach((power, bin) => {
    const level = Math.min(1, Math.max(0, 1 - (power - loudest) / FLOOR));
    image.data.set([...colour(level), 255], 4 * ((FRAME / 2 - 1 - bin) * columns + x));
  }));
  context.putImageData(image, 0, 0);
}

function player(title, digest, spoken) {
  const canvas = element("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `spectrogram of ${spoken}, 0 to 8 kHz`);
  const audio = element("audio", { controls: true, preload: "auto", src: `data:${SOUND};base64,${clips[digest]}` });
  audio.setAttribute("aria-label", spoken);
  spectrogram(canvas, clips[digest]).catch(() => canvas.remove());
  const play = element("button", { type: "button", className: "play", textContent: "▶" });
  play.setAttribute("aria-label", `play ${spoken}`);
  play.addEventListener("click", () => (audio.paused ? audio.play() : audio.pause()));
  const length = element("span", { className: "length small" });
  audio.addEventListener("loadedmetadata", () => { length.textContent = `${audio.duration.toFixed(1)} s`; });
  for (const [event, sign] of [["play", "❚❚"], ["pause", "▶"], ["ended", "▶"]]) {
    audio.addEventListener(event, () => { play.textContent = sign; });
  }
  return element("figure", { className: "clip" }, [element("figcaption", {}, [play, title, length]), canvas, audio]);
}

/* Play one recording at a time: starting one pauses the others. */
document.addEventListener("play", (event) => {
  for (const other of document.querySelectorAll("audio")) if (other !== event.target) other.pause();
}, true);

const taskName = (task) => task.replaceAll("_", " ");
const nameOf = (job) => job.tokenizer + (jobs.some((other) => other !== job && other.task === job.task
  && other.tokenizer === job.tokenizer && other.corpus === job.corpus) ? `, seed ${job.seed}` : "");

function score(job, place, value) {
  const metric = job.metrics[place];
  return `${metric.label} ${value === null ? "–" : value.toFixed(metric.decimals)}${value !== null && metric.unit ? ` ${metric.unit}` : ""}`;
}

function setUpListening() {
  const select = document.getElementById("listen-to");
  if (!select) return;
  const holder = document.getElementById("listening");
  const found = new Map(); // utterances with sound, by corpus and id
  for (const job of jobs) {
    for (const each of job.cases) {
      if (!Object.keys(each.audio).length) continue;
      const name = JSON.stringify([job.corpus, each.id]);
      found.set(name, [...(found.get(name) ?? []), [job, each]]);
    }
  }
  const several = new Set([...found.keys()].map((name) => JSON.parse(name)[0])).size > 1;
  const order = [...found.keys()].sort((a, b) => found.get(b).length - found.get(a).length);
  for (const name of order) {
    const [corpus, id] = JSON.parse(name);
    const tasks = [...new Set(found.get(name).map(([job]) => taskName(job.task)))].join(", ");
    select.append(new Option(`${id}${several ? ` (${corpus})` : ""}: ${tasks}`, name));
  }
  function show() {
    const entries = found.get(select.value);
    const text = entries.flatMap(([, each]) => each.texts).find(([word]) => word === "reference");
    const parts = [element("p", { className: "said" }, [text ? `“${text[1]}”` : "The text is not in the results."])];
    for (const task of new Set(entries.map(([job]) => job.task))) {
      const mine = entries.filter(([job]) => job.task === task);
      const clipsOf = element("div", { className: "clips" });
      for (const role of ["source", "prompt"]) {
        const digests = [...new Set(mine.map(([, each]) => each.audio[role]).filter(Boolean))];
        const title = role === "source" ? "source" : "prompt: the voice to take";
        for (const digest of digests) clipsOf.append(player(title, digest, `${role} of ${entries[0][1].id}`));
      }
      for (const [job, each] of mine) {
        const role = ["reconstructed", "converted"].find((name) => each.audio[name]);
        if (!role) continue;
        const made = player(nameOf(job), each.audio[role], `${role} speech of ${nameOf(job)}, ${each.id}`);
        const scores = each.scores.map((value, place) => [value, place]).filter(([value, place]) => value !== null
          && job.metrics[place].better).slice(0, 3).map(([value, place]) => score(job, place, value));
        made.append(element("p", { className: "small", textContent: scores.join(" · ") }));
        clipsOf.append(made);
      }
      const facts = mine[0][1].facts.map(([word, value]) => `${word} ${value.replaceAll("_", " ")}`).join(", ");
      parts.push(element("h3", { textContent: `${taskName(task)} (${facts})` }), clipsOf);
    }
    holder.replaceChildren(...parts);
  }
  select.addEventListener("change", show);
  show();
}

function card(job, each, place) {
  const list = element("dl");
  const add = (word, text) => list.append(element("div", {}, [element("dt", { textContent: word }), element("dd", { textContent: text })]));
  for (const [word, text] of each.texts) add(word, text);
  add("scores", each.scores.map((value, i) => score(job, i, value)).join(" · "));
  const facts = each.facts.map(([word, value]) => `${word} ${value.replaceAll("_", " ")}`).join(", ");
  const parts = [element("h4", {}, [element("span", { className: "id", textContent: each.id }), " ",
    element("strong", { textContent: score(job, place, each.scores[place]) })]), element("p", { className: "small", textContent: facts }), list];
  const heard = ROLES.filter((role) => each.audio[role]);
  if (heard.length) {
    const row = element("div", { className: "clips" });
    for (const role of heard) row.append(player(role, each.audio[role], `${role}, ${each.id}, ${nameOf(job)}`));
    parts.push(row);
  }
  return element("li", { className: "case" }, parts);
}

function setUpCases() {
  const [task, tokenizer, metric, which] = ["case-task", "case-tokenizer", "case-metric", "case-which"]
    .map((id) => document.getElementById(id));
  if (!task) return;
  const holder = document.getElementById("case-list");
  const say = document.getElementById("case-status");
  const replace = (select, options) => {
    const before = select.selectedOptions[0]?.textContent;
    select.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
    const again = options.find(([, label]) => label === before);
    if (again) select.value = again[0];
  };
  const several = new Set(jobs.map((job) => job.corpus)).size > 1;
  replace(task, [...new Set(jobs.filter((job) => job.metrics.length).map((job) => job.task))].map((name) => [name, taskName(name)]));

  function chooseTask() {
    replace(tokenizer, jobs.map((job, place) => [job, place])
      .filter(([job]) => job.task === task.value && job.metrics.length)
      .map(([job, place]) => [place, nameOf(job) + (several ? ` (${job.corpus})` : "")]));
    chooseTokenizer();
  }
  function chooseTokenizer() {
    const job = jobs[Number(tokenizer.value)];
    const directed = job.metrics.some((each) => each.better);
    replace(metric, job.metrics.map((each, place) => [each, place]).filter(([each]) => each.better || !directed)
      .map(([each, place]) => [place, each.label + (each.unit ? ` (${each.unit})` : "")]));
    show();
  }
  function show() {
    const job = jobs[Number(tokenizer.value)];
    const place = Number(metric.value);
    const better = job.metrics[place].better || 1;
    const scored = job.cases.filter((each) => each.scores[place] !== null && each.scores[place] !== undefined)
      .sort((a, b) => better * (a.scores[place] - b.scores[place]));
    const chosen = {
      worst: scored.slice(0, SHOWN),
      best: scored.reverse().slice(0, SHOWN),
      failed: job.cases.filter((each) => each.texts.some(([word]) => word === "failed because")),
      heard: job.cases.filter((each) => Object.keys(each.audio).length),
    }[which.value];
    holder.replaceChildren(...chosen.map((each) => card(job, each, place)));
    say.textContent = chosen.length ? `${chosen.length} of ${job.total} utterances` : "no such utterance";
  }
  task.addEventListener("change", chooseTask);
  tokenizer.addEventListener("change", chooseTokenizer);
  for (const select of [metric, which]) select.addEventListener("change", show);
  chooseTask();
}

setUpListening();
setUpCases();
