"""Simulated cities: the wire bytes their gateways would send, and the truth of what happened.

- `bozhou`: the registry of a city the size of Bozhou, on the plan of `streets`
- `signals`: what sensors read when nothing happens
- `effects`: how an incident or a fault changes what one sensor reads
- `incidents`: scripts of what happens, who sees it, and what should be reported, played on a `stage`
  (`slow`: what takes days to show; `faults`: of sensors)
- `scenario`: a city, a seed, a span and the scripts in it; `scenes`: parts of the city, for days and weeks
- `instruments`: when sensors measure, and what they say
- `gateway`: readings to messages, delayed, repeated, spoiled; `wire` writes their bytes
- `source`: a scenario as a stream that the engine reads; `measured`: as columns, without wires
"""
