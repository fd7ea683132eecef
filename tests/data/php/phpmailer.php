<?php
// Mails each address as wp_mail does, with the PHPMailer and the is_email of a WordPress:
// {"core": folder, "port": of the mail server, "host": by which the site is called, "from", "to": [address, …]}; prints who was refused.
$input = json_decode(stream_get_contents(STDIN), true);
function apply_filters($hook, $value) { return $value; }
foreach (['formatting', 'PHPMailer/PHPMailer', 'PHPMailer/SMTP', 'PHPMailer/Exception'] as $file) {
    require "{$input['core']}/wp-includes/$file.php";
}
$_SERVER['SERVER_NAME'] = $input['host'];
PHPMailer\PHPMailer\PHPMailer::$validator = static function ($email) { return (bool) is_email($email); };
$refused = [];
foreach ($input['to'] as $to) {
    $mail = new PHPMailer\PHPMailer\PHPMailer(true);
    $mail->isSMTP();
    $mail->Host = '127.0.0.1';
    $mail->Port = $input['port'];
    $mail->CharSet = 'UTF-8';
    try {
        $mail->setFrom($input['from'], 'WordPress', false);
        $mail->addAddress($to);
        $mail->Subject = 'Welcome';
        $mail->Body = 'Welcome';
        $mail->send();
    } catch (PHPMailer\PHPMailer\Exception $error) {
        $refused[$to] = $error->getMessage();
    }
}
echo json_encode((object) $refused);
