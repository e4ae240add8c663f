<?php

// Publishes a first stock event to Comporta. It needs php-amqplib alone: composer install
//
//   php first_stock.php [URL [SEQUENCE [ON_HAND]]]
//
// URL is amqp://user:password@host:5672/vhost, or else the environment's COMPORTA_BROKER_URL.
// Exit code 0: confirmed; 1: not confirmed, the reason is on standard error; 2: wrong usage.

declare(strict_types=1);

use PhpAmqpLib\Connection\AMQPConnectionConfig;
use PhpAmqpLib\Connection\AMQPConnectionFactory;
use PhpAmqpLib\Exception\AMQPExceptionInterface;
use PhpAmqpLib\Exception\AMQPProtocolChannelException;
use PhpAmqpLib\Message\AMQPMessage;

require is_file(__DIR__ . '/vendor/autoload.php') ? __DIR__ . '/vendor/autoload.php' : 'PhpAmqpLib/autoload.php';

const SHOP = 'main';
const ATTEMPTS = 5;

/** The broker answered, and did not take the event: sending it again at once would not help. */
final class NotTakenException extends Exception
{
}

/** One balance as it is now: an absolute state, with numbers in strings so that they keep their digits. */
function stockEvent(string $sequence, string $onHand): array
{
    $now = '2026-11-23T07:22:51-03:00'; // When the change was made: sent again, it is the same event.
    return [
        'specversion' => '1.0',
        'id' => "stock-$sequence", // The same change has the same id, however often it is sent.
        'source' => '/erp/example/1',
        'type' => 'erp.stock.changed.v1',
        'time' => $now,
        'sequence' => $sequence, // Counts up with every change; of one key the highest wins.
        'data' => [
            'product_code' => '7891000', 'branch' => '1', 'warehouse' => 'MAIN',
            'on_hand' => $onHand, 'unit' => 'UN', 'as_of' => $now,
        ],
    ];
}

/** The broker's address in the form that php-amqplib wants. */
function configuration(string $url): AMQPConnectionConfig
{
    $parts = parse_url($url);
    $config = new AMQPConnectionConfig();
    $config->setHost($parts['host']);
    $config->setIsSecure($parts['scheme'] === 'amqps');
    $config->setPort($parts['port'] ?? ($parts['scheme'] === 'amqps' ? 5671 : 5672));
    $config->setUser(rawurldecode($parts['user'] ?? 'guest'));
    $config->setPassword(rawurldecode($parts['pass'] ?? 'guest'));
    $config->setReadTimeout(10);
    $config->setWriteTimeout(10);
    $config->setChannelRPCTimeout(10); // Without it, closing a connection that is blocked would wait for ever.
    $config->setVhost(rawurldecode(substr($parts['path'] ?? '/', 1)) ?: '/');
    return $config;
}

/** Returns once the broker has confirmed that a queue keeps the event. */
function publish(string $url, array $event): void
{
    $connection = AMQPConnectionFactory::create(configuration($url));
    try {
        $channel = $connection->channel();
        $channel->confirm_select();
        $problem = null;
        // An event without a queue is returned first, and confirmed after that.
        $channel->set_return_listener(function () use (&$problem): void {
            $problem = 'returned: no queue takes ' . SHOP . '.stock; has Comporta run on this broker?';
        });
        $channel->set_nack_handler(function () use (&$problem): void {
            $problem = 'nacked: the broker could not keep the event; look at its log';
        });
        $channel->basic_publish(new AMQPMessage(json_encode($event, JSON_THROW_ON_ERROR), [
            'content_type' => 'application/cloudevents+json',
            'delivery_mode' => AMQPMessage::DELIVERY_MODE_PERSISTENT,
            'message_id' => $event['id'],
        ]), 'erp.events', SHOP . '.stock', true);
        $channel->wait_for_pending_acks_returns(30);
        if ($problem !== null) {
            throw new NotTakenException($problem);
        }
    } catch (AMQPProtocolChannelException $refused) {
        throw new NotTakenException("refused: {$refused->getMessage()}; has Comporta run on this broker?");
    } finally {
        try {
            $connection->close();
        } catch (Exception) { // It may be lost by now.
        }
    }
}

/** Without an answer the event may have arrived or not: sending it again with the same id is safe. */
function publishUntilConfirmed(string $url, array $event): void
{
    for ($attempt = 1; ; $attempt++) {
        try {
            publish($url, $event);
            return;
        } catch (AMQPExceptionInterface $error) {
            if ($attempt === ATTEMPTS) {
                throw new NotTakenException('no answer from the broker in ' . ATTEMPTS . " attempts: {$error->getMessage()}");
            }
            sleep(2 ** ($attempt - 1));
        }
    }
}

$url = $argv[1] ?? getenv('COMPORTA_BROKER_URL');
if (!$url) {
    fwrite(STDERR, "usage: php first_stock.php amqp://user:password@host:5672/vhost [SEQUENCE [ON_HAND]]\n");
    exit(2);
}
$stock = stockEvent($argv[2] ?? '1', $argv[3] ?? '12.000');
try {
    publishUntilConfirmed($url, $stock);
    echo "confirmed: {$stock['id']} for ", SHOP, ".stock, sequence {$stock['sequence']}\n";
} catch (NotTakenException $problem) {
    fwrite(STDERR, "NOT confirmed: {$stock['id']}: {$problem->getMessage()}\n");
    exit(1);
}
