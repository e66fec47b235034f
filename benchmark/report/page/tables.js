/* Sorting, filtering and choosing columns. The lines are in the page already: without scripts it still reads. */
"use strict";

function collectLines(table) {
  const heads = [...table.tHead.rows[0].cells];
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

/* What has no number stays at the end, whichever way the column is sorted. */
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

  function place(sorted) {
    const all = document.createDocumentFragment();
    for (const line of sorted) all.append(line.row);
    body.append(all);
  }

  /* A click sorts the best first, a second one the other way, a third one brings the table's own order. */
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
    });
  }
}

for (const section of document.querySelectorAll("[data-table]")) setUpTable(section);
