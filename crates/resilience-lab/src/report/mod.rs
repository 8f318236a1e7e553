//! What a run showed: as a table, as JSON, and as a page with charts.
