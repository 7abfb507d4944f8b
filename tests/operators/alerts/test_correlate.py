def test_without_coordinates_the_zone_decides():
    """L1, L2 and camera C3 are somewhere in the west."""
    records = [finding(1, "L1", monitor="flood"), finding(2, "L2", monitor="flood"), video(3, "C3")]
    assert timetable(records) == [
        "1 raised waterlogging 3 L1",
def test_a_camera_too_far_away_has_its_own_alert():
    """C2 is 2 km away in the same zone."""
    records = [finding(1, "G1", monitor="flood"), video(2, "C2")]
    assert timetable(records) == ["1 raised waterlogging 3 G1", "2 raised waterlogging 2 C2"]

