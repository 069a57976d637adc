using System.Diagnostics.Metrics;

namespace LmKit.LossHashes.Tests;

public class StartupHookTests
{
    [Fact]
    public void Losses_of_meters_of_LmKit_are_written_with_every_digit_and_nothing_else_is()
    {
        var path = Path.Combine(Path.GetTempPath(), $"lmkit-losses-{Environment.ProcessId}.txt");
        Environment.SetEnvironmentVariable(StartupHook.FileVariable, path);
        StartupHook.Initialize();
        using var ours = new Meter("LmKit.Toy");
        using var others = new Meter("Others.Toy");
        var loss = ours.CreateHistogram<double>("lmkit.toy.training.loss");
        loss.Record(1 / 3.0);
        loss.Record(-2, new KeyValuePair<string, object?>("learner", "student"));
        ours.CreateHistogram<double>("lmkit.toy.training.step.duration").Record(1);
        others.CreateHistogram<double>("others.loss").Record(1);

        Assert.Equal(["lmkit.toy.training.loss 0.3333333333333333", "lmkit.toy.training.loss learner=student -2"], ReadShared(path));
    }

    private static string[] ReadShared(string path)
    {
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
