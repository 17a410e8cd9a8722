//! Logs, as a test wants to see them.
