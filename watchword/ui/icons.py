"""Icons as plain strokes on a grid of 24."""
# ruff: noqa: E501  (a path is one line)

import math

from django.utils.safestring import SafeString, mark_safe


def _dots() -> str:
    return "".join(f'<circle cx="{x}" cy="{y}" r="1.9"/>' for y in (5, 12, 19) for x in (5, 12, 19))


def _gear() -> str:
    # Eight teeth: four corners each, at radii 7 and 9.6, and a hole in the middle.
    corners = [
        (12 + radius * math.cos(angle), 12 + radius * math.sin(angle))
        for tooth in range(8)
        for radius, turn in ((7, -0.29), (9.6, -0.17), (9.6, 0.17), (7, 0.29))
        for angle in [tooth * math.tau / 8 + turn]
    ]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in corners)
    return f'<path d="M{path}z"/><circle cx="12" cy="12" r="3"/>'


_DRAWN = {
    "launcher": f'<g fill="currentColor" stroke="none">{_dots()}</g>',
    "gear": _gear(),
    "person": '<circle cx="12" cy="8" r="4"/><path d="M4 20.5c1-4.3 4-6 8-6s7 1.7 8 6"/>',
    "people": '<circle cx="9" cy="8.5" r="3.5"/><path d="M2.5 19.5c.8-3.8 3.2-5.3 6.5-5.3s5.7 1.5 6.5 5.300M15.5 5.400a3.5 3.5 0 0 1 0 6.300M18 14.700c2 .7 3.1 2.3 3.6 4.8"/>',
    "phone": '<rect x="6.5" y="2.5" width="11" height="19" rx="2.5"/><path d="M10.5 18.300h3"/>',
    "call": '<path d="M6 3h3l1.7 4.5-2.2 1.700a12 12 0 0 0 6.3 6.300l1.7-2.200L21 15v3c0 1.7-1.3 3-3 3C10.3 21 3 13.7 3 6c0-1.7 1.3-3 3-3z"/>',
    "mail": '<rect x="2.8" y="5" width="18.4" height="14" rx="2"/><path d="M3.5 7l8.5 6.500L20.5 7"/>',
    "key": '<circle cx="8" cy="15.5" r="4.5"/><path d="M11.3 12.300L20 3.500M16 7.500l3 3M13.5 10l2 2"/>',
    "warning": '<path d="M12 4a5.500 5.500 0 0 1 5.500 5.500c0 5 2 6.500 2 6.500h-15s2-1.500 2-6.500A5.500 5.500 0 0 1 12 4z"/><path d="M10 19.500a2 2 0 0 0 4 0"/>',
    "shield": '<path d="M12 2.800l7.5 2.700v5.700c0 4.8-3 8.3-7.5 10-4.5-1.7-7.5-5.2-7.5-10V5.500z"/><path d="M8.5 12l2.5 2.5 4.5-5"/>',
    "alert": '<path d="M12 3.500L22 20.500H2z"/><path d="M12 10v5M12 17.300v.4"/>',
    "check": '<path d="M4.5 12.500l5 5 10-11"/>',
    "search": '<circle cx="10.5" cy="10.5" r="6.5"/><path d="M15.5 15.500L21 21"/>',
    "chevron": '<path d="M9 5l7 7-7 7"/>',
    "external": '<path d="M13.5 4H20v6.500M20 4l-9 9M10 5H5.500C4.7 5 4 5.7 4 6.500v12c0 .8.7 1.5 1.5 1.500h12c.8 0 1.5-.7 1.5-1.500V14"/>',
    "clock": '<circle cx="12" cy="12" r="8.8"/><path d="M12 6.500V12l3.8 2.5"/>',
    "list": '<path d="M8.5 6h12M8.5 12h12M8.5 18h12M3.5 6h.5M3.5 12h.5M3.5 18h.5"/>',
    "book": '<path d="M12 6.500C10 5 7.500 4.500 3.500 4.500v14c4 0 6.500.5 8.500 2 2-1.500 4.500-2 8.500-2v-14c-4 0-6.500.5-8.500 2zM12 6.500v14"/>',
    "close": '<path d="M5.5 5.500l13 13M18.5 5.500l-13 13"/>',
    "laptop": '<rect x="4.5" y="4.5" width="15" height="10.5" rx="1.5"/><path d="M2 19h20"/>',
}

ICONS: dict[str, SafeString] = {name: mark_safe(drawn) for name, drawn in _DRAWN.items()}  # noqa: S308  (our own drawings)
"""The inside of each icon's ``<svg>``."""
