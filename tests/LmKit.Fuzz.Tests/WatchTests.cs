namespace LmKit.Fuzz.Tests;

/// <summary>Readers with every fault, in a child process: each fault is told from the others.</summary>
public class WatchTests
{
    [Theory]
    [InlineData("accepts", nameof(Outcome.Accepted), "")]
    [InlineData("refuses", nameof(Outcome.Refused), "SafetensorsException")]
    [InlineData("forgets-the-file", nameof(Outcome.NoFile), "InvalidDataException")]
    [InlineData("lets-through", nameof(Outcome.WrongType), "KeyNotFoundException")]
    [InlineData("lets-an-argument-through", nameof(Outcome.WrongType), "ArgumentException")]
    [InlineData("works-without-end", nameof(Outcome.Hang), "")]
    [InlineData("takes-memory", nameof(Outcome.Memory), "")]
    [InlineData("takes-all-memory", nameof(Outcome.Memory), "")]
    [InlineData("ends-the-process", nameof(Outcome.Crash), "")]
    [InlineData("overflows-the-stack", nameof(Outcome.Crash), "")]
    public void A_fault_is_told_from_others(string reader, string outcome, string exception)
    {
        var target = TargetList.Find(FaultyReaders.Prefix + reader);
        using var worker = new WorkerProcess();

        var reading = SingleCase.Read(worker, target, CorpusStore.Seeds(target)[0].With([KeyValuePair.Create("a.bin", new byte[] { 1 })]));

        Assert.Equal(outcome, reading.Outcome.ToString());
        if (reading.Outcome != Outcome.Memory)
            Assert.Equal(exception, reading.Fault);
        if (reading.Outcome == Outcome.Hang)
            Assert.True(reading.ProcessorTime > ReadLimits.ProcessorTime);
    }

    [Fact]
    public void A_run_goes_on_behind_a_case_that_ended_its_process_and_keeps_that_case()
    {
        var log = new StringWriter();
        using var worker = new WorkerProcess();

        var (counts, events) = worker.Fuzz("faulty-ends-now-and-then", seed: 3, TimeSpan.FromSeconds(4));

        Assert.True(counts[Outcome.Crash] >= 2, $"{counts}");
        Assert.True(counts[Outcome.Accepted] >= 1, $"{counts}");
        Assert.Equal(counts[Outcome.Crash], events.Count);
        var target = TargetList.Find("faulty-ends-now-and-then");
        Assert.All(events, found => Assert.True(CaseFiles.Make(target, CorpusStore.Seeds(target), 3, found.Index).Files["a.bin"][0] > 127));
        Assert.False(new FuzzRun(log).Run([target], TimeSpan.FromSeconds(2), seed: 3));
        Assert.Contains("faulty-ends-now-and-then", log.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_clean_run_is_clean()
    {
        var log = new StringWriter();

        Assert.True(new FuzzRun(log).Run([TargetList.Find("faulty-accepts"), TargetList.Find("faulty-refuses")], TimeSpan.FromSeconds(2), seed: 1), log.ToString());
    }
}
