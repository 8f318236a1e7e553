//! Tests of the layers together: see the files in `tests`.
