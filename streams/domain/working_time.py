"""When a number of hours has passed on working days: Monday to Friday in Norway, public holidays left out.

Every hour of a working day counts, not only office hours: deadlines run by night too (contract svarut.md 6.2).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from holidays import country_holidays

OSLO = ZoneInfo("Europe/Oslo")
PUBLIC_HOLIDAYS = country_holidays("NO")


def working_hours_after(start: datetime, hours: int) -> datetime:
    """The instant (UTC) at which ``hours`` have passed since ``start``, an instant with an offset; not before it.

    Hours are real ones, also when the clocks change. What runs out with the last working day falls due at its end.
    """
    now, left = start.astimezone(UTC), timedelta(hours=hours)
    while left > timedelta(0):
        today = now.astimezone(OSLO).date()
        midnight = datetime.combine(today + timedelta(days=1), time(), OSLO).astimezone(UTC)
        if _is_working_day(today):
            if left <= midnight - now:
                return now + left
            left -= midnight - now
        now = midnight
    return now


@cache
def _is_working_day(day: date) -> bool:
    return day.isoweekday() <= 5 and day not in PUBLIC_HOLIDAYS
