//! Tests of the layers together: see the files in `tests`. The snippets of the README are tested here.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
