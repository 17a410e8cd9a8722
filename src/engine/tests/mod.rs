//! Scenarios, each a list of events with the effects they have.

mod drain;
mod forwards;
mod leaving;
mod main_path;
mod pace;
mod passes;
mod resets;
mod status;
mod the_line;
mod transactions;
