// Filters and sorts the table of all claims (dnakit/report/claims_table.py). Plain script, no network.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".dnakit-claims").forEach((frame) => {
    const table = frame.querySelector("table");
    const rows = Array.from(table.tBodies[0].rows);
    const verdictOf = (row) => row.querySelector(".dnakit-verdict").textContent;
    const bar = document.createElement("form");
    bar.className = "dnakit-filter";
    bar.addEventListener("submit", (event) => event.preventDefault());

    const search = document.createElement("input");
    search.type = "search";
    search.placeholder = "words, e.g. pretraining";
    search.setAttribute("aria-label", "Show the claims with these words");
    const parts = choice("part", rows.map((row) => row.dataset.part));
    const verdicts = choice("verdict", rows.map(verdictOf));
    const kinds = choice("kind", rows.map((row) => row.dataset.kind));
    const count = document.createElement("output");
    bar.append(search, parts, verdicts, kinds, count);
    frame.querySelector(".dnakit-scroll").before(bar);

    function choice(name, values) {
      const select = document.createElement("select");
      select.setAttribute("aria-label", name);
      const several = { part: "all parts", verdict: "all verdicts", kind: "numbers and sentences" }[name];
      select.append(new Option(several, ""), ...Array.from(new Set(values)).sort().map((value) => new Option(value)));
      return select;
    }

    function filter() {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        const fits =
          words.every((word) => text.includes(word)) &&
          (!parts.value || row.dataset.part === parts.value) &&
          (!verdicts.value || verdictOf(row) === verdicts.value) &&
          (!kinds.value || row.dataset.kind === kinds.value);
        row.hidden = !fits;
        shown += fits;
      }
      count.textContent = `${shown} of ${rows.length} claims`;
    }

    function sortBy(column, down) {
      const key = (row) => row.cells[column].dataset.sort || row.cells[column].textContent.trim();
      const number = (text) => parseFloat(text.replace(/,/g, "").replace("\u2212", "-"));
      const compare = (one, other) => {
        const both = [number(one), number(other)];
        return both.some(Number.isNaN) ? one.localeCompare(other, "en") : both[0] - both[1];
      };
      const ranked = (one, other) => {
        const empty = Number(key(one) === "") - Number(key(other) === ""); // rows without a value stay last
        return empty || (down ? compare(key(other), key(one)) : compare(key(one), key(other)));
      };
      const sorted = Array.from(rows).sort(ranked);
      table.tBodies[0].append(...sorted);
    }

    Array.from(table.tHead.rows[0].cells).forEach((cell, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = cell.textContent;
      button.title = "sort";
      button.addEventListener("click", () => {
        const down = cell.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        sortBy(column, down);
      });
      cell.replaceChildren(button);
    });

    const asked = new URLSearchParams(location.search); // a link such as 07_claims.html?verdict=does+not+stand
    for (const [name, field] of [["verdict", verdicts], ["part", parts], ["kind", kinds], ["words", search]]) {
      if (asked.has(name)) field.value = asked.get(name);
    }
    bar.addEventListener("input", filter);
    filter();
  });
});
