/** Apostrophes are quotes only where they are used as quotes are. */

import { expect, test } from "bun:test";
import { sniffCsv } from "../../../../../sql/decode/csv/sniff.ts";

const GIVEN = { delimiter: null, quote: null, header: null };

test.each([
  ["names and words", "id,name,note\n1,O'Brien,it's\n2,D'Arcy,don't\n"],
  ["text marked as text", "id,code\n1,'00123\n2,'00456\n"],
  ["texts that begin with one", "id,text\n1,'tis the season\n2,plain\n3,'twas the night\n4,x\n"],
  ["one that begins and one that ends so", "id,text\n1,'tis fine\n2,the boys'\n3,x\n"],
  ["places", "city,country,n\n'S-Hertogenbosch,NL,5\n'S-Gravenhage,NL,6\nAmsterdam,NL,7\n"],
  ["a genre", "id,genre,year\n1,Rock 'n' Roll,1950\n2,'n' stuff,1960\n3,Drum'n'Bass,1990\n"],
  ["a few nicknames", "id,name,n\n1,'Ike',4\n2,Bob,5\n3,'Al',6\n"],
  ["titles", "title,artist\n'Heroes',David Bowie\n'Til I Die,Beach Boys\n'74-'75,The Connells\n"],
  ["an inner word", "id,title,n\n1,'Salem's Lot,4\n2,'Salem's Lot',5\n3,It,6\n"],
  ["a delimiter behind one", "id;text;x\n1;'tis, it;4\n2;'twas, it;5\n"],
  [
    "quotes of the other kind",
    'id,text\n1,"he said \'yes, no\'"\n2,"\'quoted, text\'"\n3,"x, y"\n',
  ],
])("%s are text", (_, text) => {
  expect(sniffCsv({ text, isWhole: true, line: 0 }, GIVEN).guess.quote).toBe('"');
});

test.each([
  ["a delimiter inside", "id,name,n\n1,'Doe, John',4\n2,'Roe, Jane',5\n3,Poe,6\n"],
  ["a doubled one inside", "id,name,n\n1,'O''Brien',4\n2,Roe,5\n3,Poe,6\n"],
  ["everything", "'id','name'\n'1','Doe'\n'2','Roe'\n"],
  ["a whole column", "id,name\n1,'Ike'\n2,'Al'\n3,\n"],
  ["a row that is broken", `id,n\n${"1,'a, b'\n".repeat(20)}2,'Salem's Lot\n`],
])("quotes: %s", (_, text) => {
  expect(sniffCsv({ text, isWhole: true, line: 0 }, GIVEN).guess.quote).toBe("'");
});
