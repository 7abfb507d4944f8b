"""City files that come with Lifeline; `domain.city_files.find_city` finds them by name."""
