//! Scenarios, each a list of events with the effects they have.

mod drain;
mod leaving;
mod main_path;
mod the_line;
