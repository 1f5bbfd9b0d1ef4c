//! Whole journeys through the real adapter.
