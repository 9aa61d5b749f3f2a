"""One file per kind of tariff; the file's name is the ``kind`` that a book writes."""
