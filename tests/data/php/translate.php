<?php
// Writes a catalogue of a language, as language packs have it.

require __DIR__ . '/site.php';
require ABSPATH . WPINC . '/pomo/mo.php';

$catalogue = new MO();
$catalogue->set_header( 'Content-Type', 'text/plain; charset=UTF-8' );
$catalogue->set_header( 'Plural-Forms', 'nplurals=2; plural=n > 1;' );
foreach ( $input['texts'] as $original => $translation ) {
	$catalogue->add_entry( array( 'singular' => $original, 'translations' => array( $translation ) ) );
}
answer( $catalogue->export_to_file( WP_LANG_DIR . '/' . $input['locale'] . '.mo' ) );
