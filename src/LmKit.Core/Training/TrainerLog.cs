using Microsoft.Extensions.Logging;

namespace LmKit;

/// <summary>What a trainer writes into a log.</summary>
internal static partial class TrainerLog
{
    [LoggerMessage(1, LogLevel.Information, "{Task} trains {Learners}: step {Step} of {TotalSteps} is done")]
    internal static partial void Begins(ILogger logger, string task, string learners, long step, long totalSteps);

    [LoggerMessage(2, LogLevel.Information, "The run ended after step {Step}: {Reason}")]
    internal static partial void Ends(ILogger logger, long step, string reason);

    [LoggerMessage(3, LogLevel.Information, "Step {Step}: loss {Loss}, held out {Evaluation}")]
    internal static partial void Evaluates(ILogger logger, long step, double loss, Estimate evaluation);

    [LoggerMessage(4, LogLevel.Information, "The checkpoint of step {Step} is {Folder}")]
    internal static partial void Saves(ILogger logger, long step, string folder);

    [LoggerMessage(5, LogLevel.Information, "The run continues from step {Step}, {Folder}")]
    internal static partial void Resumes(ILogger logger, long step, string folder);

    [LoggerMessage(6, LogLevel.Warning, "The checkpoint {Folder} is damaged and was passed over: {Reason}")]
    internal static partial void PassesOver(ILogger logger, string folder, string reason);

    [LoggerMessage(7, LogLevel.Error, "Training diverged: {Reason}")]
    internal static partial void Diverges(ILogger logger, string reason);

    [LoggerMessage(8, LogLevel.Warning, "The loss curve {File} is of an earlier run and was set aside as {Aside}")]
    internal static partial void SetsAside(ILogger logger, string file, string aside);

    [LoggerMessage(9, LogLevel.Warning, "{Task} does not say in its Identity what data it trains on; other data than the run began with is not noticed")]
    internal static partial void NamesNoData(ILogger logger, string task);
}
