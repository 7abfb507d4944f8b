"""Every metric that Lifeline exports, in Prometheus base units. A sensor id is never a label: there are too many."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "ALERTS_GIVEN_UP",
    "ALERT_EVENTS",
    "BACKLOG",
    "BEHIND",
    "DEAD_LETTERS",
    "DUPLICATES",
    "EPOCH_SECONDS",
    "EVENT_TO_ALERT",
    "FINDINGS",
    "LATE_ROWS",
    "MESSAGES",
    "NOTICES",
    "OFFSET_GAPS",
    "OUTBOX_AGE",
    "OUTBOX_BYTES",
    "READINGS",
    "SINK_RETRIES",
    "SINK_ROWS",
    "SINK_UP",
    "SNAPSHOT",
    "SNAPSHOT_SECONDS",
    "WATERMARK",
    "WATERMARK_LAG",
]

MESSAGES = Counter("lifeline_messages_total", "Messages polled from the source.", ["partition"])
OFFSET_GAPS = Counter(
    "lifeline_offset_gaps_total", "Offsets skipped: compacted, aborted or taken by retention.", ["partition"]
)
READINGS = Counter("lifeline_readings_total", "Readings decoded.", ["partition"])
LATE_ROWS = Counter("lifeline_late_rows_total", "Readings that arrived after their pane had closed.", ["partition"])
DUPLICATES = Counter("lifeline_duplicate_rows_total", "Readings dropped as repeats of a sensor's time.", ["shard"])
DEAD_LETTERS = Counter(
    "lifeline_dead_letters_total", "Records, or rows of one, that could not be used.", ["partition", "reason"]
)
WATERMARK = Gauge("lifeline_watermark_timestamp_seconds", "Event time that a partition has come to.", ["partition"])
WATERMARK_LAG = Gauge(
    "lifeline_watermark_lag_seconds", "Recorded time of the last message less the event time come to.", ["partition"]
)
BEHIND = Gauge(
    "lifeline_behind_seconds", "Age of the last message read, where more of them wait: live only.", ["partition"]
)
BACKLOG = Gauge("lifeline_backlog_messages", "Messages that wait in the source: live only.", ["partition"])
FINDINGS = Counter("lifeline_findings_total", "Records of findings.", ["kind", "verdict", "phase"])
ALERT_EVENTS = Counter("lifeline_alert_events_total", "Steps in the lives of alerts.", ["kind", "type", "level"])
COMMAND_STEPS = Counter("lifeline_command_steps_total", "Steps of commands to the field.", ["step"])
COMMANDS_NOT_SENT = Counter(
    "lifeline_commands_not_sent_total", "Orders that did not reach the field, by why: expired, or failed.", ["reason"]
)
EVENT_TO_ALERT = Histogram(
    "lifeline_event_to_alert_seconds",
    "From the event time of an alert's step to its way to the sinks, by the wall clock: live only.",
    buckets=(0.5, 1, 2, 3, 5, 10, 30, 60, 300, 1800),
)
SINK_ROWS = Counter("lifeline_sink_rows_total", "Rows delivered.", ["sink", "table"])
SINK_RETRIES = Counter("lifeline_sink_retries_total", "Deliveries tried again.", ["sink"])
SINK_UP = Gauge("lifeline_sink_up", "Whether the sink takes what it is sent (1) or not (0).", ["sink"])
OUTBOX_BYTES = Gauge(
    "lifeline_outbox_bytes", "Results that wait to be delivered, by where they wait.", ["sink", "place"]
)
OUTBOX_AGE = Gauge("lifeline_outbox_age_seconds", "How long the oldest result has been waiting.", ["sink"])
NOTICES = Counter("lifeline_desk_notices_total", "Steps of alerts that a desk was told of.", ["desk", "why"])
ALERTS_GIVEN_UP = Counter(
    "lifeline_alerts_given_up_total", "Steps of alerts that a receiver was not told of: refused, or no room.",
    ["sink", "reason"],
)  # fmt: skip
SNAPSHOT_SECONDS = Histogram(
    "lifeline_snapshot_seconds",
    "Time to copy one step's state of one key for a snapshot.",
    ["step"],
    buckets=(0.0001, 0.001, 0.01, 0.1, 1, 10),
)
SNAPSHOT = Gauge(
    "lifeline_snapshot_timestamp_seconds", "When the state was last cut for a snapshot; the one before is written."
)
EPOCH_SECONDS = Histogram(
    "lifeline_epoch_seconds",
    "From one snapshot to the next: the interval that was asked for, or longer where there is too much to do.",
    buckets=(0.1, 0.5, 1, 2, 5, 10, 20, 60, 300),
)
