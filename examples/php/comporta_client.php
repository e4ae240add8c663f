<?php

// Client for publishing change events to Comporta: one file to copy. It needs php-amqplib alone:
// composer require php-amqplib/php-amqplib
//
//   $client = new ComportaClient('amqp://user:password@host:5672/vhost', 'main');
//   $reasons = $client->publish([['domain' => 'stock', 'id' => 'stock-18446', 'body' => '{…}']]);
//
// `publish` returns a reason for each event, in order, once the broker has answered for all of them. An event whose
// reason is null is confirmed: a queue keeps it. From the command line, with lines of DOMAIN, ID and JSON between tabs:
//
//   php comporta_client.php URL FILE

declare(strict_types=1);

use PhpAmqpLib\Connection\AMQPConnectionConfig;
use PhpAmqpLib\Connection\AMQPConnectionFactory;
use PhpAmqpLib\Exception\AMQPExceptionInterface;
use PhpAmqpLib\Exception\AMQPProtocolChannelException;
use PhpAmqpLib\Message\AMQPMessage;

require_once is_file(__DIR__ . '/vendor/autoload.php') ? __DIR__ . '/vendor/autoload.php' : 'PhpAmqpLib/autoload.php';

/** Publisher of one shop's events; the same change has the same id and the same body, however often it is sent. */
final class ComportaClient
{
    private const WINDOW = 500; // Events that wait for their confirm at a time.
    private const SILENCE = 30; // Seconds without any confirm until the connection counts as lost.
    private const ATTEMPTS = 5; // Connections in a row that confirm nothing.

    public function __construct(private readonly string $url, private readonly string $shop = 'main')
    {
    }

    /** Publishes a batch; what is not confirmed when a connection is lost is sent again, the same to the letter. */
    public function publish(array $events): array
    {
        $reasons = [];
        $lost = '';
        for ($failed = 0; count($reasons) < count($events) && $failed < self::ATTEMPTS;) {
            if ($failed > 0) {
                sleep(2 ** ($failed - 1));
            }
            $before = count($reasons);
            try {
                $this->attempt($events, $reasons);
            } catch (AMQPExceptionInterface $error) {
                $lost = $error->getMessage();
            }
            $failed = count($reasons) === $before ? $failed + 1 : 0;
        }
        $gone = 'no answer from the broker in ' . self::ATTEMPTS . " attempts: $lost";
        return array_map(
            fn (int $number): ?string => array_key_exists($number, $reasons) ? $reasons[$number] : $gone,
            array_keys($events),
        );
    }

    /** One connection: sends what has no answer yet, and notes the answers. */
    private function attempt(array $events, array &$reasons): void
    {
        $connection = AMQPConnectionFactory::create($this->configuration());
        try {
            $channel = $connection->channel();
            $channel->confirm_select();
            $returned = [];
            // An event without a queue is returned first, and confirmed after that.
            $channel->set_return_listener(
                function (int $code, string $text, string $exchange, string $route, AMQPMessage $message) use (&$returned): void {
                    $returned[$message->get('message_id')] = true;
                },
            );
            $channel->set_ack_handler(function (AMQPMessage $message) use (&$reasons, &$returned): void {
                $isReturned = isset($returned[$message->get('message_id')]);
                $reasons[$message->number] = $isReturned
                    ? "returned: no queue takes {$message->route}; has Comporta run here?"
                    : null;
            });
            $channel->set_nack_handler(function (AMQPMessage $message) use (&$reasons): void {
                $reasons[$message->number] = 'nacked: the broker could not keep the event; look at its log';
            });
            $unanswered = array_diff_key($events, $reasons);
            foreach (array_chunk($unanswered, self::WINDOW, true) as $batch) {
                foreach ($batch as $number => $event) {
                    $channel->basic_publish(
                        $this->message($number, $event), 'erp.events', "{$this->shop}.{$event['domain']}", true,
                    );
                }
                $channel->wait_for_pending_acks_returns(self::SILENCE);
            }
        } catch (AMQPProtocolChannelException $refused) {
            foreach (array_keys(array_diff_key($events, $reasons)) as $number) {
                $reasons[$number] = "refused: {$refused->getMessage()}; has Comporta run here?";
            }
        } finally {
            try {
                $connection->close();
            } catch (Exception) { // It may be lost by now.
            }
        }
    }

    private function message(int $number, array $event): AMQPMessage
    {
        $properties = [
            'content_type' => 'application/cloudevents+json',
            'delivery_mode' => AMQPMessage::DELIVERY_MODE_PERSISTENT,
            'message_id' => $event['id'],
        ];
        return new class ($event['body'], $properties, $number, "{$this->shop}.{$event['domain']}") extends AMQPMessage {
            public function __construct(string $body, array $properties, public int $number, public string $route)
            {
                parent::__construct($body, $properties);
            }
        };
    }

    /** The broker's address in the form that php-amqplib wants. */
    private function configuration(): AMQPConnectionConfig
    {
        $parts = parse_url($this->url);
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
}

if (realpath($argv[0] ?? '') === __FILE__) {
    if ($argc !== 3) {
        fwrite(STDERR, "usage: php comporta_client.php URL FILE\n");
        exit(2);
    }
    $events = [];
    foreach (file($argv[2], FILE_IGNORE_NEW_LINES | FILE_SKIP_EMPTY_LINES) as $line) {
        [$domain, $id, $body] = explode("\t", $line, 3);
        $events[] = ['domain' => $domain, 'id' => $id, 'body' => $body];
    }
    $failed = array_filter((new ComportaClient($argv[1]))->publish($events), fn (?string $reason): bool => $reason !== null);
    foreach ($failed as $number => $reason) {
        fwrite(STDERR, "NOT confirmed: {$events[$number]['id']}: $reason\n");
    }
    echo 'confirmed: ', count($events) - count($failed), "\n";
    exit($failed ? 1 : 0);
}
