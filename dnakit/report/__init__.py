"""What a page shows: tables, figures, the thesis's own values, and where numbers come from."""
