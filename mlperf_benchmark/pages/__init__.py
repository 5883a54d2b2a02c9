"""What the self-contained HTML pages share: layout, style, figures as SVG, sortable tables."""
