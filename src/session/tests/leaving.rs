//! What becomes of messages, places and counts when clients leave.
