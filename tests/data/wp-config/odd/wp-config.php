<p>define</p><?PHP define("A", 1) ?>html ' <?php
# b
/* c ' */ define(/* 1 */ "B" /* 2 */, // 3
2) ?>z<?= 1 ?>
<?php
define("LATIN", "café"); // éè
$té = "x"; define("NAMED", $té);
if (1) { ?>
<b>html</b>
<?php define("C", 3); }
\define("D", \true); DEFINE("E", NULL);
class K { const A = 5; public static function f() { define("F", 1); } }
function never() { define("G", 1); }
interface I {} abstract class L extends K implements I { }
trait T {}
define("SEMI", 1);;
$table_prefix="odd_"?>
