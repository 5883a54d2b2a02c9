"use strict";
// Sorts a table by the heading that is selected; again turns it round. Empty values go last.
function compare(first, second) {
  if (first === second) return 0;
  if (first === "" || second === "") return first === "" ? 1 : -1;
  return null;
}

function makeSortable(table) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, place) => {
    const isNumber = heading.classList.contains("number");
    heading.querySelector("button").addEventListener("click", () => {
      const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      const value = (row) => {
        const cell = row.cells[place];
        return isNumber ? cell.dataset.value : cell.textContent;
      };
      const rows = [...table.tBodies[0].rows].sort((one, other) => {
        const [first, second] = [value(one), value(other)];
        const empty = compare(first, second);
        if (empty !== null) return empty;
        return sign * (isNumber ? first - second : first.localeCompare(second));
      });
      table.tBodies[0].append(...rows);
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
    });
  });
}

document.querySelectorAll("table.sortable").forEach(makeSortable);
