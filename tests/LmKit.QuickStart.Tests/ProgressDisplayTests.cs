using System.Text;
using Spectre.Console;

namespace LmKit.QuickStart.Tests;

public class ProgressDisplayTests
{
    private static readonly double TwoBits = 2 * Math.Log(2);

    private static TrainingProgress At(int step) => new(step, 100, TwoBits, 10_000, 40_000, TimeSpan.FromSeconds(step));

    private static IAnsiConsole Console(TextWriter writer, bool live) => AnsiConsole.Create(new AnsiConsoleSettings
    {
        Ansi = live ? AnsiSupport.Yes : AnsiSupport.No,
        Interactive = live ? InteractionSupport.Yes : InteractionSupport.No,
        Out = new Terminal(writer, live),
    });

    private static string Shown(bool live)
    {
        var writer = new StringWriter();
        var result = new ProgressDisplay(Console(writer, live), secondsBetweenLines: 30).Run(progress =>
        {
            foreach (var step in Enumerable.Range(1, 100))
                progress.Report(At(step));

            return 7;
        });
        Assert.Equal(7, result);
        return writer.ToString();
    }

    [Fact]
    public void Redirected_output_gets_whole_lines_at_the_interval_and_at_the_last_step()
    {
        var lines = Shown(live: false).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

        Assert.Equal(["step 1/100", "step 31/100", "step 61/100", "step 91/100", "step 100/100"], lines.Select(line => line.Split("  ")[0]));
        Assert.Equal("step 91/100  loss 1.386  0.500 bits/byte  10,000 tokens/s  40.0 kB/s  0:09 left", lines[3]);
    }

    [Fact]
    public void A_terminal_gets_a_table_that_is_drawn_over()
    {
        var shown = Shown(live: true);

        Assert.Contains("100/100", shown, StringComparison.Ordinal);
        Assert.Contains("bits/byte", shown, StringComparison.Ordinal);
        Assert.Contains("\u001b[", shown, StringComparison.Ordinal);
    }

    [Fact]
    public void Bits_per_byte_follow_from_nats_a_token_and_tokens_a_byte() =>
        Assert.Equal(0.5, At(1).BitsPerByte, 1e-12);

    [Fact]
    public void Time_left_is_the_mean_pace_times_the_steps_left()
    {
        Assert.Equal(TimeSpan.FromSeconds(60), At(40).Left);
        Assert.Equal(TimeSpan.Zero, At(100).Left);
    }

    private sealed class Terminal(TextWriter writer, bool isTerminal) : IAnsiConsoleOutput
    {
        public TextWriter Writer => writer;

        public bool IsTerminal => isTerminal;

        public int Width => 80;

        public int Height => 24;

        public void SetEncoding(Encoding encoding)
        {
        }
    }
}
