//! Groups, their members and their committed offsets, as a test wants to see them.
