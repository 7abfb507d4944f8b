"""ClickHouse: schema, encoding, blocks, the sink, and the HTTP interface of the embedded engine."""
