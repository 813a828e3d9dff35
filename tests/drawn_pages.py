"""The page of a figure, which its step saves and closes."""

import pytest

from v1lib import plotting


def saved_page(main, **options):
    """Run a figure step; the page that it saved."""
    pages, save = [], plotting.save_figure
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            plotting, "save_figure", lambda page, *rest: (pages.append(page), save(page, *rest))
        )
        main(**options)
    return pages[0]
