//! Filter policies: the language, what is refused, the index, the page.

mod index;
mod never_panics;
mod operators;
mod page;
mod refusals;
mod support;
