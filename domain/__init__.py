"""The vocabulary of Lifeline: records, time, the city registry, settings and errors."""
