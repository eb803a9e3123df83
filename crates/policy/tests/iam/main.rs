//! Access policies: the language, its conditions, what is refused, the page.

mod conditions;
mod language;
mod page;
mod properties;
mod refusals;
mod support;
