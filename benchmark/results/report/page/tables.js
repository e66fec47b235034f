/* Sorting, filtering and choosing columns. The lines are in the page, which reads without scripts too. */
"use strict";

const AT_ONCE = 40;
const narrow = window.matchMedia("(max-width: 36rem)"); // columns marked "aside" start hidden there

function collectLines(table) {
  const heads = [...[...table.tHead.rows].at(-1).cells];
  const lines = [...table.tBodies[0].rows].map((row, place) => {
    const keys = [...row.cells].map((cell, column) => {
      const text = cell.dataset.key ?? "";
      if (!heads[column].dataset.number) return text;
      return text === "" ? null : Number(text);
    });
    return { row, place, keys, words: row.dataset.words };
  });
  return { heads, lines };
}

/* A heading above several columns spans those of them that are shown. */
function spanGroups(table, heads) {
  if (table.tHead.rows.length < 2) return;
  let first = 0;
  for (const group of table.tHead.rows[0].cells) {
    const width = Number(group.dataset.width);
    const shown = heads.slice(first, first + width).filter((head) => !head.hidden).length;
    group.hidden = shown === 0;
    group.colSpan = Math.max(1, shown);
    first += width;
  }
}

/* Lines without a number stay at the end in either direction of sorting. */
function compare(column, sign) {
  return (a, b) => {
    const [left, right] = [a.keys[column], b.keys[column]];
    if (left === null || right === null) return (left === null) - (right === null) || a.place - b.place;
    const order = typeof left === "number" ? left - right : left.localeCompare(right, "en", { numeric: true });
    return sign * order || a.place - b.place;
  };
}

function setUpTable(section) {
  const table = section.querySelector("table");
  const { heads, lines } = collectLines(table);
  const say = section.querySelector("[role=status]");
  const body = table.tBodies[0];

  /* Place visible lines first, the rest between the next frames: a long table would block the page. */
  let turn = 0;
  function place(sorted) {
    const mine = ++turn;
    const rows = sorted.map((line) => line.row);
    body.prepend(...rows.splice(0, AT_ONCE));
    const more = () => {
      if (mine !== turn || !rows.length) return;
      body.append(...rows.splice(0, AT_ONCE));
      requestAnimationFrame(more);
    };
    requestAnimationFrame(more);
  }

  /* The first click puts the best first, the second reverses, the third restores the table's own order. */
  function sortBy(column) {
    const head = heads[column];
    const first = head.dataset.better === "1" ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const now = head.getAttribute("aria-sort");
    const next = now === first ? other : now === other ? "none" : first;
    for (const each of heads) each.removeAttribute("aria-sort");
    const name = head.querySelector("button").textContent.trim();
    if (next === "none") {
      place([...lines].sort((a, b) => a.place - b.place));
      say.textContent = "in the table's own order";
    } else {
      head.setAttribute("aria-sort", next);
      place([...lines].sort(compare(column, next === "ascending" ? 1 : -1)));
      say.textContent = `sorted by ${name}, ${next}`;
    }
  }

  const text = section.querySelector("input[type=search]");
  const kind = section.querySelector("select[data-filter=kind]");

  function filter() {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const line of lines) {
      const fits = words.every((word) => line.words.includes(word))
        && (!kind.value || line.row.dataset.kind === kind.value);
      line.row.hidden = !fits;
      shown += fits;
    }
    say.textContent = shown === lines.length ? `all ${shown} lines` : `${shown} of ${lines.length} lines`;
  }

  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => sortBy(column));
  });
  text.addEventListener("input", filter);
  kind.addEventListener("change", filter);
  section.querySelector("input[data-intervals]").addEventListener("change", (event) => {
    table.classList.toggle("no-intervals", !event.target.checked);
  });
  for (const box of section.querySelectorAll("input[data-column]")) {
    box.addEventListener("change", () => {
      const column = Number(box.dataset.column);
      heads[column].hidden = !box.checked;
      for (const line of lines) line.row.cells[column].hidden = !box.checked;
      spanGroups(table, heads);
    });
    if (narrow.matches && box.hasAttribute("data-aside")) box.click();
  }
}

for (const section of document.querySelectorAll("[data-table]")) setUpTable(section);
