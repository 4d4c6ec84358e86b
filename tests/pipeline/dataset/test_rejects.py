"""rejects.csv is read back as it was written, and no spreadsheet runs it."""

import csv
import io

from pipeline.dataset.rejects import DAMAGED, Reject, read_rejects, rejects_table


def test_any_reject_is_read_back_and_no_cell_is_a_formula():
    rejects = [
        Reject("=1+1.jpg", "@Ada", DAMAGED, "-1 bytes"),
        Reject("a\x1b[2J\n.jpg", "Dürer", DAMAGED, "x,\"y'"),
        Reject("b\udcff\\.jpg", "", DAMAGED, "'"),
    ]
    table = rejects_table(rejects)
    assert list(read_rejects(table)) == rejects
    cells = [cell for row in csv.reader(io.StringIO(table.decode())) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    assert table.count(b"\n") == 4
    assert b"\x1b" not in table
